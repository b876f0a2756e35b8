import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StateHash } from '@sallyport/contract/channel';
import { until } from '@sallyport/testkit';
import { startChannel } from '../../apps/controller/src/channel/testing/harness.ts';
import { deviceItem } from '../../apps/controller/src/channel/testing/memory-states.ts';
import { defaultTiming } from '../../packages/agent-core/src/session/timing.ts';
import { Agent } from '../../packages/agent-runtime/src/agent.ts';
import { AgentClock } from '../../packages/agent-runtime/src/clock.ts';
import type { AgentPlane, PlaneInput } from '../../packages/agent-runtime/src/plane.ts';
import { sessionConfigOf } from '../../packages/agent-runtime/src/session-config.ts';
import { StateDirectory } from '../../packages/agent-runtime/src/state/directory.ts';
import { chooseIdentity } from '../../packages/agent-runtime/src/state/identity.ts';

// Uncaught, each of these errors would end this process and the test with it.

const bomb = (): never => {
  throw new Error('the cause');
};

/** A data plane that does nothing and succeeds. */
function quietPlane(change: Partial<AgentPlane> = {}): AgentPlane {
  const nothing = { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
  return {
    wireguardKind: 'memory',
    detect: async () => {},
    begin: () => {},
    perform: async (work) => ({
      hash: StateHash.of(work.kind === 'close' ? [] : work.items.values()).toString(),
      mended: [],
    }),
    heartbeat: async () => ({ data: nothing, drift: null }),
    probe: async () => [],
    punch: () => {},
    down: async () => [],
    stop: async () => {},
    ...change,
  };
}

/** The real agent of a gateway against the real channel. */
async function running(t: TestContext, plane: AgentPlane, change: { status?: () => string } = {}) {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = chooseIdentity('gateway', null, token, '/state');
  const errors: string[] = [];
  const quiet = () => {};
  const error = (_: string, fields?: object) => void errors.push(JSON.stringify(fields));
  const path = await mkdtemp(join(tmpdir(), 'sallyport-callbacks-'));
  const directory = await StateDirectory.open(join(path, 'state'));
  const agent = new Agent({
    url: `ws://127.0.0.1:${h.port}/agent/channel`,
    session: sessionConfigOf('gateway', identity, token, '1'),
    facts: { hostname: 'h', os: 'o', kernel: 'k' },
    timing: { ...defaultTiming },
    plane,
    directory,
    status: () => '{}',
    onPinned: async () => {},
    log: { debug: quiet, info: quiet, warn: error, error },
    clock: new AgentClock(h.time.clock, h.time.clock),
    ...change,
  });
  await agent.start();
  t.after(async () => {
    await agent.stop();
    await rm(path, { recursive: true });
  });
  const converged = () => until('the state to be in force', () => h.channel.presence(id).converged);
  await converged();
  // The agent waits before it reconnects, by the clock of the test.
  const back = () =>
    until('the agent to be back', () => {
      h.time.advance(200);
      return h.channel.presence(id).connected;
    });
  return { h, id, agent, errors, converged, back };
}

test('a rejecting task ends the connection of the agent, which reconnects and continues', async (t) => {
  let broken = false;
  const plane = quietPlane({ probe: async () => (broken ? bomb() : []) });
  const { h, id, errors, converged, back } = await running(t, plane);
  broken = true;
  assert.equal(await h.channel.probe(id, 10_000), null);
  broken = false;
  assert.match(errors.join(), /the cause/);
  await back();
  h.states.change(id, [deviceItem('new')]);
  h.time.advance(1_000);
  await converged();
});

test('a callback that throws on a message of the controller ends the connection, and the agent reconnects', async (t) => {
  let broken = false;
  const plane = quietPlane({ punch: () => broken && bomb() });
  const { h, id, errors, converged, back } = await running(t, plane);
  broken = true;
  assert.ok(h.channel.punch(id, '123e4567-e89b-42d3-a456-426614174000', ['192.0.2.1:5']));
  await until('it is told', () => errors.join().includes('the cause'));
  broken = false;
  await back();
  await converged();
});

test('a report of a plane at a bad time ends nothing', async (t) => {
  let tell: (input: PlaneInput) => void = () => {};
  const plane = quietPlane({
    begin: (given) => {
      tell = given;
    },
  });
  const { converged, errors } = await running(t, plane);
  tell({ kind: 'noticed', probes: null } as never);
  tell({ kind: 'posture' } as never);
  assert.match(errors.join(), /TypeError/);
  await converged();
});

test('a failure to build the status is reported, and the next status is written', async (t) => {
  let broken = true;
  const { agent, errors } = await running(t, quietPlane(), { status: () => (broken ? bomb() : '{}') });
  await until('it is told', () => errors.join().includes('the cause'));
  broken = false;
  await agent.stop();
});
