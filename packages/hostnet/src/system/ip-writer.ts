import { LongLived } from './long-lived.ts';

/**
 * Returns a program that takes lines for `ip -batch` of one family. It ends at the first line that the kernel refuses,
 * without the lines after it. It remembers the indexes of interfaces: renew it when interfaces may have changed.
 */
export function ipWriter(family: 4 | 6): LongLived {
  return new LongLived({
    ...{ tool: 'ip', args: [`-${family}`, '-o', '-batch', '-'] },
    ...{ marker: 'link show dev lo\n', answered: /^\d+: lo:.*\n$/ms },
  });
}
