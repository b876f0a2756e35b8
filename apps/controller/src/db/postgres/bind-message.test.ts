import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import pg from 'pg';
import { bindMessage, type SentValue } from './bind-message.ts';

/** Returns the message as the driver sends it. */
function messageOfDriver(statement: string, values: readonly SentValue[]): unknown {
  const stream = new PassThrough();
  new pg.Connection({ stream: () => stream }).bind({ statement, values: [...values] as string[] }, false);
  return stream.read();
}

test('the message with the values of a statement is the one that the driver makes', () => {
  const lists: SentValue[][] = [
    [],
    [null],
    ['', 'text', 'ü€𝄞 with more bytes than units', '\ud800', null, Buffer.from([0, 255, 128]), Buffer.alloc(0), '7'],
    ['x'.repeat(100_000), Buffer.alloc(70_000, 7), '€'.repeat(50_000)],
    ...[2_000, 40_000, 70_000].map((length) =>
      Array.from({ length }, (_, at) => (at % 3 === 0 ? null : `value ${at}`)),
    ),
  ];
  for (const values of lists)
    for (const statement of ['', 's0_17'])
      assert.deepEqual(bindMessage(statement, values), messageOfDriver(statement, values));
});
