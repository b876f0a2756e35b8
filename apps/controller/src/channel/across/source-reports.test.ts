import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryReplicas } from '../../testing/replicas.ts';
import { ManualTime, until } from '../testing/manual-time.ts';
import { deviceItem, gatewayItem } from '../testing/memory-states.ts';
import { ScriptedAgent } from '../testing/scripted-agent.ts';
import { SourceReports } from './source-reports.ts';
import { Controllers } from './testing/controllers.ts';

const peer = (id: string, endpoint: string, lastHandshake: number) => ({
  ...{ peer: id, endpoint, lastHandshake },
  ...{ rxBytes: 1, txBytes: 1 },
});

test('the controller of a device decides where it is, and its address cannot be forged at a gateway elsewhere', async (t) => {
  const all = new Controllers(t);
  const moved: string[][] = [];
  const follow = (name: string) => ({
    deviceMoved: (_: string, device: string, source: string) => void moved.push([name, device, source]),
  });
  const [a, b] = [await all.start('a', follow('a')), await all.start('b', follow('b'))];
  const laptop = all.agent('device');
  const gateway = all.agent('gateway', [gatewayItem(), deviceItem(laptop.agent), deviceItem('plain')]);
  const device = await ScriptedAgent.connect(a.port, laptop);
  const agent = await ScriptedAgent.connect(b.port, gateway);
  for (const each of [device, agent]) {
    await each.expect('snapshot');
    each.apply();
  }
  await until(() => b.all.presence(laptop.agent).connected, 'the others know where it is');
  let round = 0;
  /** The other device shows that the report was heard. */
  const report = async () => {
    const now = all.time.clock();
    const [forged, other] = [peer(laptop.agent, '203.0.113.66:1', now), peer('plain', `198.51.100.${++round}:1`, now)];
    agent.beat(now, { peers: [forged, other] });
    const heard = () => moved.some(([, id, source]) => id === 'plain' && source === `198.51.100.${round}`);
    await until(heard, 'the report was heard');
  };
  const ofLaptop = () => moved.filter(([, id]) => id === laptop.agent);
  await report();
  all.time.advance(250);
  await until(() => ofLaptop().length > 0, 'its controller decides');
  assert.deepEqual(ofLaptop(), [['a', laptop.agent, '127.0.0.1']]);

  all.network.kill(a.replica);
  all.time.advance(10_000);
  await report();
  assert.equal(ofLaptop().length, 1, 'nothing is believed until it connects again');
});

test('reports go in bounded messages to the process that decides, and malformed ones are dropped', async (t) => {
  const time = new ManualTime();
  const network = new MemoryReplicas(time.clock);
  const [one, two] = [network.join('one'), network.join('two')];
  const decided: string[] = [];
  const open = (replicas: typeof one, decider: (device: string) => string | null) =>
    new SourceReports({
      ...{ replicas, timers: time, decider },
      decide: (tenant, report) => void decided.push(`${replicas.self.name} ${tenant} ${report.device}`),
    });
  const sender = open(one, (device) => (device === 'mine' ? null : two.self.id));
  t.after(() => sender.stop());
  open(two, () => null);
  const report = (device: string) => ({ device, gateway: 'g', endpoint: '192.0.2.1:1', handshake: 1 });
  const sizes: number[] = [];
  const tell = one.tell.bind(one);
  one.tell = (to, topic, body) => {
    sizes.push(JSON.stringify(body).length);
    tell(to, topic, body);
  };
  assert.equal(sender.passOn('t', report('mine')), false);
  for (let n = 0; n < 12_000; n++) assert.equal(sender.passOn('t', report(`d${n}`)), true);
  time.advance(250);
  await until(() => decided.length === 10_000, 'those that fit arrive');
  assert.deepEqual([decided[0], decided.at(-1)], ['two t d0', 'two t d9999']);
  assert.ok(sizes.every((size) => size < 64 * 1024));
  await assert.rejects(one.ask(two.self.id, 'source-reports', [{ ...report('x'), handshake: 'now' }]));
  assert.equal(decided.length, 10_000);
});
