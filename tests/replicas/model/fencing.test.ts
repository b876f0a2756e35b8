import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Work } from '@sallyport/agent-core';
import { type Statement, statementText } from '@sallyport/contract/channel';
import type { TestAgent } from '../../protocol/agent.ts';
import { Fencing, leaseMs } from './fencing.ts';

const agent = '11111111-1111-4111-8111-111111111111';
const deleted = '22222222-2222-4222-8222-222222222222';

/** Two processes, of controllers 0 and 1, that reach the database since the beginning. */
function open() {
  const found: string[] = [];
  const world = { now: 1_000_000, reach: { reachable: true, since: 0 } };
  const fencing = new Fencing({
    now: () => world.now,
    reach: () => world.reach,
    violated: (what) => void found.push(what),
  });
  const statement = (number: number, leaseUntil = world.now + leaseMs): Statement => {
    const revision = { epoch: 'e', number };
    return { agent, revision, hash: `hash ${number}`, issuedAt: world.now, leaseUntil };
  };
  const host = (of: { statement: Statement }) => ({ id: agent, session: { desired: of } }) as unknown as TestAgent;
  const work = (...ids: string[]): Work => {
    const items = new Map(ids.map((id) => [id, { kind: 'peer', key: `peer/${id}`, id }]));
    return { kind: 'load', items } as unknown as Work;
  };
  return { world, fencing, found, a: fencing.watch(0), b: fencing.watch(1), statement, host, work };
}

test('a former holder may sign until it notices, and no longer', () => {
  const { world, found, a, b, statement } = open();
  a.claimed(agent, 1);
  b.claimed(agent, 2);
  world.now += 3_000;
  a.signed(statementText(statement(1)));
  assert.deepEqual(found, []);
  world.now += 1_000;
  a.signed(statementText(statement(1)));
  assert.match(found.join(), /controller 0 signs for .* by generation 1, 4000 ms after another one has it/);
});

test('a process without its database signs for ten seconds, with leases that count from its last contact', () => {
  const { world, found, a, statement } = open();
  a.claimed(agent, 1);
  world.reach = { reachable: false, since: world.now };
  world.now += 9_000;
  a.signed(statementText(statement(1, world.now - 9_000 + leaseMs)));
  assert.deepEqual(found, []);
  a.signed(statementText(statement(1)));
  assert.match(found.splice(0).join(), /a lease for .* that ends too late/);
  world.now += 3_000;
  a.signed(statementText(statement(1, world.reach.since + leaseMs)));
  assert.match(found.join(), /signs for .* without its database/);
});

test('nothing is signed without a claim, and no generation is given twice', () => {
  const { found, a, b, statement } = open();
  a.signed(statementText(statement(1)));
  assert.match(found.splice(0).join(), /which it has not claimed/);
  a.claimed(agent, 1);
  b.claimed(agent, 1);
  assert.match(found.join(), /two processes have generation 1/);
});

test('an agent goes back to no older revision, and to no former holder, while its process lives', () => {
  const { world, fencing, found, a, b, statement, host, work } = open();
  a.claimed(agent, 1);
  b.claimed(agent, 2);
  const [old, late, newest] = [statement(4), statement(5), statement(5, world.now + leaseMs - 1)];
  a.signed(statementText(late));
  b.signed(statementText(newest));
  const desired = { statement: newest };
  const one = host(desired);
  fencing.acted(one, work());
  assert.deepEqual(found, []);
  desired.statement = late;
  fencing.acted(one, work());
  assert.match(found.splice(0).join(), /acts by generation 1 after it has acted by 2/);
  desired.statement = old;
  fencing.acted(one, work());
  assert.match(found.splice(0).join(), /went back from revision 5 to 4/);
  fencing.acted(host({ statement: old }), work());
  assert.deepEqual(found, [], 'a process that starts again has what its disk has');
});

test('an agent acts on nothing that was revoked', () => {
  const { fencing, found, statement, host, work } = open();
  fencing.acted(host({ statement: statement(1) }), work(deleted));
  assert.deepEqual(found, []);
  fencing.revoked([deleted]);
  fencing.acted(host({ statement: statement(2) }), work(deleted));
  assert.match(found.join(), /acts again on 22222222/);
});
