import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Host, until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

/**
 * Rules have a resolution of minutes, so each test waits for a full minute; they wait in parallel. How exact they are is
 * printed: a busy machine is late.
 */
describe('a time window', { skip: whyNoNamespaces() ?? false, concurrency: true }, () => {
  it('a time window closes for one device and opens for another at its minute', async (t) => {
    const { s, laptop, visitor, moment } = await windowAt(t);
    await laptop.startDatagrams('closes', '10.20.0.10', 7000, 20);
    await visitor.startDatagrams('opens', '10.20.0.10', 7000, 20);
    await until('echoes', async () => (await laptop.stream('closes')).received > 5);
    const opened = async () => {
      const echo = async () => (await visitor.stream('opens')).received > 0;
      await until('the window to open', echo, { timeoutMs: 120_000, everyMs: 10 });
      return Date.now();
    };
    const [late] = await Promise.all([opened(), closesAt(t, laptop, moment)]);
    t.diagnostic(`opened ${late - moment} ms after its time`);
    assert.ok(late >= moment, `opened ${moment - late} ms too early`);
    await s.converged();
  });

  it('a time window closes with controller and agent dead', async (t) => {
    const { s, laptop, visitor, moment } = await windowAt(t);
    await laptop.startDatagrams('closes', '10.20.0.10', 7000, 20);
    await until('echoes', async () => (await laptop.stream('closes')).received > 5);
    await s.controller.daemon.kill('SIGKILL');
    await s.gateway.daemon.kill('SIGKILL');
    assert.ok(Date.now() < moment, 'the test was too slow');
    await closesAt(t, laptop, moment);
    assert.notEqual(await visitor.udp('10.20.0.10', 7000, { timeoutMs: 500 }), 'ok', 'only a live agent opens');
    assert.equal(await laptop.tcp('10.20.0.11', 9), 'ok', 'what has no window goes on');
  });
});

/**
 * The page belongs to the laptop until the boundary and to the visitor after it; the printer is always open for both.
 */
async function windowAt(t: TestContext) {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  await (await s.world.host('web')).listenUdp(7000);
  await (await s.world.host('printer')).listenTcp(9);
  const devices = [await s.controller.addDevice('laptop'), await s.controller.addDevice('visitor')] as const;
  const page = await s.resource('page', ['10.20.0.10'], ['UDP 7000']);
  const printer = await s.resource('printer', ['10.20.0.11'], ['TCP 9']);
  await s.policy('printer', { allDevices: true, resources: [printer] });
  // A destination that is not open yet is not in the configuration yet.
  const lan = (configuration: string) => configuration.replace(/AllowedIPs = .*/, 'AllowedIPs = 10.20.0.0/24');
  const [laptop, visitor] = await Promise.all([
    s.deviceUp('laptop', devices[0], lan),
    s.deviceUp('visitor', devices[1], lan),
  ]);
  for (const device of [laptop, visitor]) {
    await until('the tunnel', async () => (await device.tcp('10.20.0.11', 9)) === 'ok');
  }
  const moment = Math.ceil((Date.now() + 20_000) / 60_000) * 60_000;
  const text = new Date(moment).toISOString().slice(0, 16);
  for (const [index, word] of (['before', 'after'] as const).entries()) {
    const rule = { name: word, rule: `time.${word}('${text}')`, hasTimeConstraint: true, timeZone: 'UTC' };
    const { id } = await s.controller.call('createAdmissionRule', { body: rule });
    await s.policy(word, { devices: [devices[index]?.id ?? ''], resources: [page], rule: id });
  }
  return { s, laptop, visitor, moment };
}

async function closesAt(t: TestContext, device: Host, moment: number): Promise<void> {
  const isSilent = async () => Date.now() > moment && (await device.stream('closes')).silentMs > 1_000;
  await until('silence', isSilent, { timeoutMs: 120_000 });
  // Judged by the time of sending, because a busy machine reads answers late.
  const last = (await device.stream('closes')).echoedSentAt ?? 0;
  t.diagnostic(`the last datagram that was answered was sent ${moment - last} ms before its time`);
  // The kernel closes the flow. A busy machine gives it the time limit late.
  assert.ok(last <= moment + 1_000, `${last - moment} ms too late`);
  // Rules know minutes: a busy machine may be silent for seconds of them, but not for half of one.
  assert.ok(last > moment - 30_000, `${moment - last} ms too early`);
}
