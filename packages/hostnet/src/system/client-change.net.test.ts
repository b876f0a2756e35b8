import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { OVERLAY } from '../testing/topology.ts';
import type { ClientHostState } from '../types.ts';

const skip = await namespacesMissing();
const NONE: ClientHostState = {
  interface: 'sal0',
  addresses: ['100.64.0.7/32', 'fd7a:1::7/128'],
  overlay: OVERLAY,
  mtu: 1400,
  prefixes: [],
  mark: 0xca6d,
  table: 51821,
  direct: [{ address: '192.0.2.10', protocol: 'tcp', port: 7000 }],
};
const SOME: ClientHostState = { ...NONE, prefixes: ['10.5.0.0/16', 'fd11::/32'] };
const MORE: ClientHostState = { ...NONE, prefixes: ['10.5.0.0/16', '10.6.0.9/32', 'fd11::/32', 'fd12::/32'] };
const FULL: ClientHostState = { ...NONE, prefixes: ['0.0.0.0/0', '::/0'] };

describe('changes of a client host from memory', { skip }, () => {
  let space: Namespace;

  beforeEach(async () => {
    space = new Namespace('c');
    await space.start();
    await space.ip('tuntap add sal0 mode tun\n link set sal0 addrgenmode none');
    await space.call('clientUp', NONE);
    await space.call('clientWatch', NONE);
    await memorised();
  });
  afterEach(async () => {
    await space.call('clientUnwatch');
    await space.stop();
  });

  /** Waits until the monitors run, and what was reported before has been looked at. */
  async function memorised(state = NONE): Promise<void> {
    await until('a change without a program', async () => {
      await space.call('clientLook', state);
      const before = (await space.call('programs')).length;
      await space.call('clientChange', state);
      return (await space.call('programs')).length === before;
    });
  }

  /** Makes a change as the agent does. Returns the programs that it started. */
  async function change(state: ClientHostState): Promise<string[]> {
    const before = (await space.call('programs')).length;
    await space.call('clientChange', state);
    await space.call('clientFollow', state);
    return (await space.call('programs')).slice(before).map(({ command }) => command);
  }

  async function running(pattern: RegExp): Promise<number> {
    const found = (await space.call('programs')).filter(({ command, runs }) => runs && pattern.test(command));
    assert.equal(found.length, 1, `one program runs ${pattern}`);
    return found[0]?.pid ?? 0;
  }

  const isRight = async (state: ClientHostState) => assert.deepEqual(await space.call('clientVerify', state), []);

  it('a grant and its end start no program and no monitor again', async () => {
    for (const state of [SOME, MORE, FULL, SOME, NONE, MORE, NONE]) {
      const started = await change(state);
      assert.deepEqual(started, [], JSON.stringify(state.prefixes));
    }
    await isRight(NONE);
    for (const state of [SOME, MORE, FULL]) {
      await change(state);
      await isRight(state);
    }
  });

  it('our own changes are not reported', async () => {
    // Reports within a second are joined, so one of the start may still come.
    let [before, since] = [await space.call('hostReports'), performance.now()];
    await until('the reports of the start to end', async () => {
      const now = await space.call('hostReports');
      if (now !== before) [before, since] = [now, performance.now()];
      return performance.now() - since > 1200;
    });
    for (const state of [SOME, FULL, NONE]) {
      await change(state);
      assert.equal(await space.call('hostReports'), before);
    }
  });

  it('a foreign change is reported, and the next change repairs it', async () => {
    await change(MORE);
    const before = await space.call('hostReports');
    await space.ip('route del 10.5.0.0/16 dev sal0 table 51821');
    await until('a report', async () => (await space.call('hostReports')) > before);
    assert.notDeepEqual(await change(SOME), [], 'everything is read again');
    await isRight(SOME);
    await memorised(SOME);
    await space.exec('nft', 'flush', 'chain', 'inet', 'sallyport_sal0', 'input');
    await until('the table to be doubted', async () => (await change(MORE)).length > 0);
    await isRight(MORE);
  });

  it('a writer that was killed is started again', async () => {
    for (const family of [4, 6]) {
      process.kill(await running(new RegExp(` ip -${family} .*-batch`)), 'SIGKILL');
      await change(MORE);
      await isRight(MORE);
      await memorised(MORE);
      await change(NONE);
      await isRight(NONE);
    }
  });

  it('a writer that hangs is given up', async () => {
    process.kill(await running(/ ip -4 .*-batch/), 'SIGSTOP');
    await change(MORE);
    await isRight(MORE);
    await memorised(MORE);
    assert.deepEqual(await change(SOME), []);
  });

  it('an error in the middle of a batch leaves nothing half done', async () => {
    // The monitor does not tell of the foreign routes.
    process.kill(await running(/^ip .*monitor/), 'SIGSTOP');
    await space.ip(`
      route add 10.6.0.9/32 dev sal0 scope global table 51821 proto 83
      -6 route add unreachable fd12::/32 metric 4000000 table 51821 proto 83`);
    await change(MORE);
    await isRight(MORE);
    await memorised(MORE);
    assert.deepEqual(await change(SOME), [], 'the monitor that was silent runs again');
  });

  it('a monitor that lost events ends what is remembered', async () => {
    const before = await space.call('hostReports');
    const monitor = await running(/^ip .*monitor/);
    process.kill(monitor, 'SIGSTOP');
    await space.exec(
      'sh',
      '-c',
      `for i in $(seq 0 4000); do echo "route add unreachable 10.7.$((i / 250)).$((i % 250))"
      done | ip -batch -; ip route flush root 10.7.0.0/16; ip route add 10.5.0.0/16 dev sal0 scope global table 51821 proto 83`,
    );
    process.kill(monitor, 'SIGCONT');
    await until('a report', async () => (await space.call('hostReports')) > before);
    await change(SOME);
    await isRight(SOME);
    await memorised(SOME);
  });

  for (const program of [/^ip .*monitor/, /^nft monitor/])
    it(`a monitor that was killed ends what is remembered: ${program.source}`, async () => {
      const before = await space.call('hostReports');
      process.kill(await running(program), 'SIGKILL');
      await until('a report', async () => (await space.call('hostReports')) > before);
      await space.ip('route add 10.6.0.9/32 dev sal0 scope global table 51821 proto 83');
      await change(MORE);
      await isRight(MORE);
      await memorised(MORE);
    });

  it('a tunnel interface that was made again is not mistaken for the old one', async () => {
    await change(SOME);
    await space.ip('tuntap del sal0 mode tun\n tuntap add sal0 mode tun\n link set sal0 addrgenmode none');
    await change(MORE).catch(() => []);
    await space.call('clientUp', MORE);
    await isRight(MORE);
    await memorised(MORE);
    assert.deepEqual(await change(SOME), []);
    await isRight(SOME);
  });
});
