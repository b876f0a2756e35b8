import type { Session } from './session.ts';
import { clean } from './text.ts';

/** Waits for `work` and shows a line on the terminal that names the slow operation. */
export async function whileWaiting<T>({ io }: Pick<Session, 'io'>, what: string, work: Promise<T>): Promise<T> {
  if (io.stderr.isTTY !== true) return work;
  const start = performance.now();
  const show = () => {
    const seconds = Math.round((performance.now() - start) / 1000);
    io.stderr.write(`\r\u001b[K${clean(what)} … ${seconds} s`);
  };
  show();
  const timer = setInterval(show, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    io.stderr.write('\r\u001b[K');
  }
}
