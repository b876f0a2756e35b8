import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, OVERLAY } from '../testing/topology.ts';

const skip = await namespacesMissing();
const TABLE = 'inet sallyport_sp0';

describe('changes of a firewall by one long-lived nft', { skip }, () => {
  const space = new Namespace('w');
  before(async () => {
    await space.start();
    await space.call('firewall', { interface: 'sp0', overlay: OVERLAY });
  });
  after(() => space.stop());
  beforeEach(() => space.call('load', exampleState(Date.now()), Date.now()));

  /** Lets bob in or out, and reads it back as the agent does. Returns the outcome, and the programs that it started. */
  async function change(profile: 'staff' | 'guests'): Promise<{ outcome: string; started: string[] }> {
    const earlier = (await space.call('programs')).length;
    const bob = { id: 'bob', addresses: ['100.64.0.3', 'fd7a:1::3'], profile, expiresAt: null };
    const outcome = await space.call('change', { upsert: { devices: [bob] } }, Date.now());
    assert.deepEqual((await space.call('readBackTouched', Date.now())).differences, []);
    const started = (await space.call('programs')).slice(earlier).map(({ command }) => command);
    return { outcome, started };
  }

  async function isRight(profile: string): Promise<void> {
    const { devices, differences } = await space.call('readBack', Date.now());
    assert.deepEqual(differences, []);
    assert.equal(devices.get('bob')?.profile, profile);
  }

  /** Waits until a change starts no program. Begins with bob out. */
  async function settles(): Promise<void> {
    let isIn = false;
    await until('changes to start no program', async () => {
      isIn = !isIn;
      const { outcome, started } = await change(isIn ? 'staff' : 'guests');
      return outcome === 'changed' && started.length === 0;
    });
  }

  async function running(pattern: RegExp): Promise<number[]> {
    const found = (await space.call('programs')).filter(({ command, runs }) => runs && pattern.test(command));
    return found.map(({ pid }) => pid);
  }

  it('a grant and its end start no program, and neither does their verification', async () => {
    for (const profile of ['staff', 'guests', 'staff', 'guests'] as const)
      assert.deepEqual(await change(profile), { outcome: 'changed', started: [] });
    await isRight('guests');
  });

  it('programs that were killed are started again', async () => {
    for (const profile of ['staff', 'guests'] as const) {
      for (const pid of await running(/ nft .*--interactive/)) process.kill(pid, 'SIGKILL');
      assert.equal((await change(profile)).outcome, 'changed');
      await isRight(profile);
    }
    // The end of a program may be seen only after the next change has been written.
    await settles();
  });

  for (const [name, pattern] of [
    ['writer', / nft --interactive/],
    ['checker', / nft --check --interactive/],
  ] as const)
    it(`a ${name} that hangs is given up`, async () => {
      for (const pid of await running(pattern)) process.kill(pid, 'SIGSTOP');
      assert.equal((await change('staff')).outcome, 'changed');
      await isRight('staff');
      await change('guests');
      await isRight('guests');
      await settles();
    });

  it('a refused transaction leaves nothing half done: the table is loaded', async () => {
    await space.exec('nft', `delete table ${TABLE}`);
    assert.equal((await change('staff')).outcome, 'reloaded');
    await isRight('staff');
    assert.deepEqual(await change('guests'), { outcome: 'changed', started: [] });
    await isRight('guests');
  });

  it('a foreign change behind the back of the long-lived programs is found', async () => {
    assert.deepEqual((await change('staff')).started, []);
    const maps = JSON.parse(await space.exec('nft', '-j', 'list', 'maps')) as {
      nftables: { map?: { name: string } }[];
    };
    const name = maps.nftables.map(({ map }) => map?.name).find((text) => text?.startsWith('devices4'));
    await space.exec('nft', `delete element ${TABLE} ${name} { 100.64.0.3 }`);
    assert.notDeepEqual((await space.call('readBackTouched', Date.now())).differences, []);
  });

  it('many transactions replace the program, which remembers them', async () => {
    const [before] = await running(/ nft --interactive/);
    for (let n = 0; n < 510; n++) {
      const profile = n % 2 === 0 ? 'staff' : 'guests';
      const bob = { id: 'bob', addresses: ['100.64.0.3', 'fd7a:1::3'], profile, expiresAt: null };
      assert.equal(await space.call('change', { upsert: { devices: [bob] } }, Date.now()), 'changed');
    }
    const [later] = await running(/ nft --interactive/);
    assert.notEqual(later, before);
    await isRight('guests');
  });
});
