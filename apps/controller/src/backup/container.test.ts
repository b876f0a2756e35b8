import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packArchive, unpackArchive } from './archive.ts';
import { open, seal } from './container.ts';

const cheap = { logN: 4, r: 1, p: 1 };
const passphrase = 'correct horse';
const chunk = 64 * 1024;

async function* pieces(...parts: Uint8Array[]) {
  yield* parts;
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const sealed = (content: Buffer, secret: string | null) => all(seal(pieces(content), secret, cheap));
const opened = (file: Buffer, secret = passphrase) => all(open(pieces(file), async () => secret));
const refused = (file: Buffer, message: RegExp, secret = passphrase) =>
  assert.rejects(opened(file, secret), { name: 'OperatorError', message });

test('content of any length comes out as it went in, encrypted and plain, in pieces of any size', async () => {
  for (const length of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk])
    for (const secret of [passphrase, null]) {
      const content = Buffer.alloc(length, 'abc');
      const file = await sealed(content, secret);
      assert.ok((await opened(file)).equals(content), `${length}`);
      const bytes = [...file.subarray(0, 200)].map((byte) => Buffer.from([byte]));
      assert.ok((await all(open(pieces(...bytes, file.subarray(200)), async () => passphrase))).equals(content));
      assert.equal(file.includes('abcabc'), secret === null && length > 6);
    }
});

test('a file that is cut short anywhere is refused', async () => {
  for (const secret of [passphrase, null]) {
    const file = await sealed(Buffer.alloc(2 * chunk + 9, 'x'), secret);
    const ends = [...Array(40).keys(), chunk, chunk + 60, 2 * chunk + 50, file.length - 17, file.length - 1];
    for (const end of ends) await refused(file.subarray(0, end), end === 0 ? /not a backup/ : /cut short|not a backup/);
  }
});

test('a file that is changed, reordered or goes on anywhere is refused', async () => {
  for (const secret of [passphrase, null]) {
    const content = Buffer.concat([Buffer.alloc(chunk, 'a'), Buffer.alloc(chunk, 'b'), Buffer.from('end')]);
    const file = await sealed(content, secret);
    for (const at of [0, 8, 9, 10, 12, 14, 30, 40, chunk, chunk + 45, 2 * chunk, file.length - 20, file.length - 1]) {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await assert.rejects(opened(changed), { name: 'OperatorError' }, `${at}`);
    }
    const head = secret === null ? 10 : 29;
    const size = 4 + chunk + 16;
    const parts = [head, head + size, head + 2 * size].map((from, n) =>
      file.subarray(from, n === 2 ? undefined : from + size),
    );
    const [first = file, second = file, third = file] = parts;
    await refused(Buffer.concat([file.subarray(0, head), second, first, third]), /damaged|passphrase/);
    await refused(Buffer.concat([file.subarray(0, head), first, third]), /damaged/);
    await refused(Buffer.concat([file, Buffer.from('x')]), /goes on after the end/);
  }
});

test('a wrong passphrase, another format and a foreign file are told apart', async () => {
  const file = await sealed(Buffer.from('content'), passphrase);
  await refused(file, /passphrase is wrong/, 'another one');
  const newer = Buffer.from(file);
  newer[8] = 2;
  await refused(newer, /has format 2, this program reads 1/);
  await refused(Buffer.from('PK\u0003\u0004 a zip file'), /not a backup of Sallyport/);
  assert.ok((await opened(await sealed(Buffer.from('x'), 'pa\u0301ss'), 'p\u00e1ss')).equals(Buffer.from('x')));
});

test('a header that asks for excessive key derivation is refused before the work', async () => {
  const file = await sealed(Buffer.from('content'), passphrase);
  for (const at of [10, 11, 12]) {
    const dear = Buffer.from(file);
    dear[at] = 255;
    await refused(dear, /head of the backup is damaged/);
  }
});

test('an archive gives the entries that it was made of, and takes no other names', async () => {
  const about = { createdAt: '2026-11-29T12:00:00.000Z', version: '1' };
  const entry = { name: 'master.key', size: 3, content: () => pieces(Buffer.from('k'), Buffer.from('ey')) } as const;
  const { size, pieces: packed } = packArchive(about, [entry]);
  const bytes = await all(packed);
  assert.equal(bytes.length, size);
  const found: string[] = [];
  const take = async (name: string, content: AsyncIterable<Uint8Array>) => {
    found.push(`${name} ${await all(content)}`);
  };
  await unpackArchive(pieces(bytes), async () => {}, take);
  assert.deepEqual(found, ['master.key key']);
  for (const name of ['../../etc/x', '/etc/passwd', 'other']) {
    const foreign = packArchive(about, [{ ...entry, name: name as 'master.key' }]);
    await assert.rejects(
      unpackArchive(foreign.pieces, async () => {}, take),
      /cannot be read by this version/,
    );
  }
  await assert.rejects(
    unpackArchive(pieces(bytes, Buffer.from('x')), async () => {}, take),
    /cannot be read/,
  );
  await assert.rejects(all(packArchive(about, [{ ...entry, size: 2 }]).pieces), /changed while it was read/);
});
