import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RouteTraffic } from './route-traffic.ts';

type Count = readonly [sent: number, heard: number];

/** Looks at one route once a second; each step says by how much its counters grew. */
function looks(steps: readonly Count[], everyMs = 1_000): (string | undefined)[] {
  const traffic = new RouteTraffic();
  let [sent, heard] = [7, 3];
  const at = (now: number) => traffic.seen(new Map([['10.0.0.0/24', { sent, heard }]]), now).get('10.0.0.0/24');
  at(0);
  return steps.map(([more, back], n) => {
    sent += more;
    heard += back;
    return at((n + 1) * everyMs);
  });
}

it('a route is silent when nothing came back in the time that an answer takes', () => {
  assert.deepEqual(
    looks([
      [1, 1],
      [5, 0],
      [5, 0],
      [5, 0],
      [5, 0],
      [5, 1],
    ]),
    [...['answered', undefined, 'silent', undefined, 'silent', 'answered']],
  );
});

it('a packet whose answer comes with the next look is answered', () => {
  assert.deepEqual(
    looks([
      [1, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]),
    [undefined, 'answered', undefined, 'answered'],
  );
});

it('a route without packets says nothing, and one that was alone for long begins again', () => {
  assert.deepEqual(
    looks([
      [0, 0],
      [0, 0],
    ]),
    [undefined, undefined],
  );
  assert.deepEqual(
    looks(
      [
        [1, 0],
        [1, 0],
      ],
      60_000,
    ),
    [undefined, undefined],
  );
});

it('counters that began again say nothing', () => {
  const traffic = new RouteTraffic();
  const seen = (sent: number, now: number) => traffic.seen(new Map([['p', { sent, heard: 0 }]]), now).get('p');
  assert.deepEqual(
    [seen(900, 0), seen(950, 1_000), seen(3, 2_000), seen(3, 3_000)],
    [undefined, undefined, undefined, undefined],
  );
});
