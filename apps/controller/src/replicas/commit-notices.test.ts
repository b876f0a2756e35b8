import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CommitNotices, readNotice } from './commit-notices.ts';

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const sent: string[] = [];
  const others = { any: true };
  const notices = new CommitNotices(
    () => others.any,
    (text) => sent.push(text),
  );
  /** Lets time pass, and returns what was sent. */
  const after = (ms: number) => {
    t.mock.timers.tick(ms);
    return sent.splice(0);
  };
  return { notices, others, after };
}

test('a rare commit is told at once, and those of one turn together, with the highest revision of each tenant', (t) => {
  const { notices, after } = start(t);
  notices.committed('a', 1);
  assert.deepEqual(after(1), ['a:1']);
  after(100);
  notices.committed('a', 3);
  notices.committed('b', 7);
  notices.committed('a', 2);
  assert.deepEqual(after(1), ['a:3 b:7']);
});

test('the more a notice told, the later comes the next one, at most 15 ms later', (t) => {
  const { notices, after } = start(t);
  let revision = 0;
  const commit = (count: number) => {
    for (let n = 0; n < count; n++) notices.committed('a', ++revision);
  };
  commit(1);
  assert.deepEqual(after(1), ['a:1']);
  commit(2);
  assert.deepEqual(after(4), []);
  assert.deepEqual(after(1), ['a:3']);
  commit(50);
  assert.deepEqual(after(9), []);
  assert.deepEqual(after(1), ['a:53']);
  commit(1);
  assert.deepEqual(after(14), []);
  assert.deepEqual(after(1), ['a:54']);
  assert.deepEqual(after(100), [], 'nothing is told twice');
});

test('commits are kept while there is no other replica, and sent when there is one', (t) => {
  const { notices, others, after } = start(t);
  others.any = false;
  notices.committed('a', 1);
  notices.tell();
  notices.committed('b', 2);
  assert.deepEqual(after(1_000), []);
  others.any = true;
  notices.tell();
  assert.deepEqual(after(0), ['a:1 b:2']);
  // The other one ends before what was committed meanwhile is told.
  notices.committed('a', 3);
  others.any = false;
  assert.deepEqual(after(1_000), []);
  others.any = true;
  notices.committed('a', 4);
  assert.deepEqual(after(1), ['a:4']);
});

test('many tenants are told in several notices, and what is malformed is refused', (t) => {
  const { notices, after } = start(t);
  const expected = Array.from({ length: 500 }, (_, n) => ({ tenant: `${n}`.padStart(36, 't'), revision: n + 1 }));
  for (const { tenant, revision } of expected) notices.committed(tenant, revision);
  const sent = after(1);
  assert.ok(sent.length > 1 && sent.every((text) => text.length < 7_900));
  assert.deepEqual(sent.flatMap(readNotice), expected);
  for (const wrong of ['', 'a', 'a:b', 'a:1 b']) assert.throws(() => readNotice(wrong), /without a revision/);
});
