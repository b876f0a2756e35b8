import { readText } from '../files.ts';
import type { Io } from '../session.ts';
import type { Declaration } from './document.ts';

/** Looks up the secrets that a file names, in the environment and in files. One that is not there stays unknown. */
export async function findSecrets(declaration: Declaration, { env }: Pick<Io, 'env'>): Promise<void> {
  for (const { item } of declaration.providers ?? []) {
    if (item.clientSecret === undefined) continue;
    const { from } = item.clientSecret;
    const name = from.slice(from.indexOf(':') + 1);
    const found = (from.startsWith('env:') ? env[name] : await readText(name))?.replace(/\r?\n$/, '');
    item.clientSecret = found === undefined || found === '' ? { from } : { from, found };
  }
}
