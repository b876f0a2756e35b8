import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startChannel } from './testing/harness.ts';
import { ManualTime, until } from './testing/manual-time.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

/** Holds queued work back while a test looks at what waits. */
class HeldTime extends ManualTime {
  holding = false;
  readonly #held: (() => void)[] = [];

  override readonly soon = (run: () => void): void => {
    if (this.holding) this.#held.push(run);
    else setImmediate(run);
  };

  get held(): number {
    return this.#held.length;
  }

  release(): void {
    this.holding = false;
    for (const run of this.#held.splice(0)) setImmediate(run);
  }
}

async function start(t: TestContext) {
  const time = new HeldTime();
  const h = await startChannel(t, { timers: time, clock: time.clock });
  const open = () => {
    const { id, token } = h.gateway();
    return ScriptedAgent.open(h.port, newAgent(id, token));
  };
  return { h, time, open };
}

/** Enough turns of the event loop for what is on its way on loopback. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('handshakes that come together wait for their turn, which costs the agents none of their time', async (t) => {
  const { time, open } = await start(t);
  const agents = await Promise.all([open(), open(), open()]);
  time.holding = true;
  const shaken = agents.map((agent) => agent.authenticate());
  await until(() => time.held > 0, 'a frame in the queue');
  await settle();
  assert.equal(time.held, 1, 'one slice of work is due');
  for (const { received } of agents) assert.deepEqual(received, [], 'a frame was answered out of turn');
  time.advance(10_000);
  await settle();
  time.release();
  await Promise.all(shaken);
  for (const agent of agents) assert.equal((await agent.expect('welcome')).type, 'welcome');
});

test('the time that an agent itself takes still ends its handshake', async (t) => {
  const { time, open } = await start(t);
  const agent = await open();
  time.holding = true;
  const greeted = agent.greet();
  await until(() => time.held > 0, 'a frame in the queue');
  time.advance(5_000);
  time.release();
  await greeted;
  time.advance(9_999);
  await settle();
  assert.equal(agent.closeCode, null);
  time.advance(1);
  await agent.closed();
});

test('a frame that comes before the last one has had its turn ends the connection', async (t) => {
  const { time, open } = await start(t);
  const agent = await open();
  time.holding = true;
  agent.greet().catch(() => undefined);
  agent.sendText('{}');
  assert.equal(await agent.closed(), 1008);
  time.release();
  await settle();
  const codes = agent.received.map((message) => message.type === 'refused' && message.code);
  assert.deepEqual(codes, ['bad-message'], 'the first frame is not answered any more');
});
