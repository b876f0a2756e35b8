import { createPublicKey } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, realpathSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '@sallyport/program/place';
import { createReleaseKey, oneLineOf } from '@sallyport/release';
import { readSigningKey } from './signing.ts';

const help = `npm run release-key -- --out FILE

Makes the key that signs releases (Ed25519). The private half goes into FILE, which only its owner can read; the public
half is printed. Keep FILE away from controllers and from this checkout, and keep a copy: hosts accept no upgrade that
another key signed. An existing file is never replaced.

  --out FILE    where the private key goes
  --show FILE   print the public half of an existing key, in PEM
`;

function main(): number {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, show: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) return print(help, 0);
  if ((values.out === undefined) === (values.show === undefined)) return print(help, 2);
  if (values.show !== undefined) return print(publicHalf(resolve(values.show)).pem, 0);
  const file = resolve(values.out ?? '');
  makeKey(file);
  const { pem, line } = publicHalf(file);
  return print(`Private key: ${file}\nPublic key:  ${line}\n\n${pem}`, 0);
}

function makeKey(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const parent = `${realpathSync(dirname(file))}/`;
  if (parent.startsWith(`${realpathSync(root)}/`))
    throw new Error(
      `${file} is inside this checkout: keep the release key where no commit or package can take it along`,
    );
  const handle = openSync(file, 'wx', 0o600);
  try {
    writeSync(handle, createReleaseKey().privateKey);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function publicHalf(file: string): { pem: string; line: string } {
  const key = createPublicKey(readSigningKey(file));
  return { pem: key.export({ type: 'spki', format: 'pem' }).toString().trim(), line: oneLineOf(key) };
}

function print(text: string, code: number): number {
  (code === 0 ? console.log : console.error)(text);
  return code;
}

try {
  process.exitCode = main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  console.error(code === 'EEXIST' ? 'That file exists. A release key is never replaced.' : message);
  process.exitCode = 1;
}
