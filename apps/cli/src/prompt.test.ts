import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Failure } from './failure.ts';
import { readHidden } from './prompt.ts';

function terminal(...chunks: string[]) {
  const events: string[] = [];
  const setRawMode = (raw: boolean) => events.push(`raw ${raw}`);
  const stdin = Object.assign(Readable.from(chunks), { isTTY: true, setRawMode });
  return { events, io: { stdin, stderr: { write: (text: string) => events.push(text) } } };
}

test('a secret is read without echo, from before the question to the end', async () => {
  const { events, io } = terminal('sec', 'rex\u007f', 't\rrest');
  assert.equal(await readHidden(io, 'Key: '), 'secret');
  assert.deepEqual(events, ['raw true', 'Key: ', 'raw false', '\n']);
});

test('Ctrl-C restores the terminal', async () => {
  const { events, io } = terminal('sec\u0003');
  await assert.rejects(readHidden(io, 'Key: '), Failure);
  assert.deepEqual(events.slice(-2), ['raw false', '\n']);
});
