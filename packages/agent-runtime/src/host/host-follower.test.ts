import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Mutex } from '../mutex.ts';
import { HostFollower } from './host-follower.ts';

interface Watched {
  readonly state: string;
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  closed: boolean;
}

/** A follower of a host with the differences `found`. */
function world() {
  const watched: Watched[] = [];
  const reports: (readonly string[])[] = [];
  const host = { found: async (): Promise<readonly string[]> => [] };
  const mutex = new Mutex();
  const follower = new HostFollower<string>(mutex, {
    watch(state, changed, failed) {
      const one: Watched = { state, changed, failed, closed: false };
      watched.push(one);
      return {
        async close() {
          one.closed = true;
        },
      };
    },
    differences: () => host.found(),
    report: (differences) => void reports.push(differences),
  });
  /** Resolves when all checks so far have ended. */
  const quiet = () => mutex.run(async () => {});
  return { watched, reports, host, mutex, follower, quiet };
}

it('differences are reported, and a correct host is not', async () => {
  const { watched, reports, host, follower, quiet } = world();
  follower.follow('a');
  watched[0]?.changed();
  await quiet();
  assert.deepEqual(reports, []);
  host.found = async () => ['a route is missing'];
  watched[0]?.changed();
  await quiet();
  host.found = () => Promise.reject(new Error('no ip tool'));
  watched[0]?.changed();
  await quiet();
  watched[0]?.failed(new Error('gone'));
  const gone = 'what the host reports could not be followed: Unexpected: gone.';
  assert.deepEqual(reports, [['a route is missing'], ['Unexpected: no ip tool.'], [gone]]);
});

it('the host is checked only while the mutex is free', async () => {
  const { watched, reports, host, mutex, follower, quiet } = world();
  host.found = async () => ['half done'];
  follower.follow('a');
  let finish: () => void = () => {};
  void mutex.run(
    () =>
      new Promise<void>((resolve) => {
        finish = () => {
          host.found = async () => [];
          resolve();
        };
      }),
  );
  watched[0]?.changed();
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  await quiet();
  assert.deepEqual(reports, []);
});

it('the same state keeps its watch, a different state or the end closes it', async () => {
  const { watched, reports, host, follower, quiet } = world();
  host.found = async () => ['old'];
  follower.follow('a');
  follower.follow('a');
  assert.equal(watched.length, 1);
  follower.follow('b');
  assert.deepEqual(
    watched.map(({ state, closed }) => [state, closed]),
    [
      ['a', true],
      ['b', false],
    ],
  );
  watched[0]?.changed();
  await quiet();
  await follower.stop();
  watched[1]?.changed();
  await quiet();
  assert.deepEqual(reports, [], 'looks that come late are not made');
  assert.equal(watched[1]?.closed, true);
});
