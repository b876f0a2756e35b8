import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answeredAddresses, noRecords, questionName, serverFailure } from './forward.ts';

const query = (name: string, flags = 0x0100): Buffer => {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(4711, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
};

test('the name of a question is read in lower case, and nothing else is a question', () => {
  assert.equal(questionName(query('Wiki.Corp.example')), 'wiki.corp.example');
  assert.equal(questionName(query('wiki', 0x8180)), null, 'an answer');
  assert.equal(questionName(Buffer.alloc(0)), null);
  for (let size = 0; size < 29; size++) assert.equal(questionName(query('wiki.corp.example').subarray(0, size)), null);
  const pointer = query('wiki');
  pointer.writeUInt8(0xc0, 12);
  assert.equal(questionName(pointer), null, 'a compressed name');
  for (let i = 0; i < 2000; i++) {
    const noise = Buffer.from(Array.from({ length: 40 }, (_, at) => (i * 31 + at * 17) % 256));
    questionName(noise);
  }
});

test('a failure keeps the id of the query and says that it is an answer', () => {
  const failure = serverFailure(query('wiki'));
  assert.equal(failure.readUInt16BE(0), 4711);
  assert.equal(failure.readUInt16BE(2) & 0x800f, 0x8002);
  const option = Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
  const extended = Buffer.concat([query('wiki'), option]);
  extended.writeUInt16BE(1, 10);
  for (const asked of [query('wiki'), extended])
    assert.deepEqual(
      serverFailure(asked).subarray(4),
      Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]), query('wiki').subarray(12)]),
      'the question alone stands behind it',
    );
});

test('an answer without records is a final one', () => {
  const answer = noRecords(query('wiki'));
  assert.equal(answer.readUInt16BE(0), 4711);
  assert.equal(answer.readUInt16BE(2), 0x8180, 'without the bit for recursion, glibc would ask the next resolver');
  assert.deepEqual(answer.subarray(4), serverFailure(query('wiki')).subarray(4));
});

test('the addresses of an answer are read, also behind an alias, and nothing from a broken one', () => {
  const record = (type: number, data: readonly number[]) =>
    Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
  const records = [record(5, [1, 97, 0]), record(1, [100, 96, 0, 2]), record(28, [0xfd, ...Array(14).fill(0), 1])];
  const answer = Buffer.concat([query('wiki.corp', 0x8180), ...records]);
  answer.writeUInt16BE(3, 6);
  assert.deepEqual(answeredAddresses(answer), ['100.96.0.2', 'fd00::1']);
  for (let size = 0; size < answer.length; size++) assert.ok(answeredAddresses(answer.subarray(0, size)).length < 2);
  assert.deepEqual(answeredAddresses(query('wiki')), []);
});
