import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DROP_COUNTERS } from '../firewall/ruleset.ts';
import type { FirewallItems } from '../firewall/state.ts';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, HOST, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';

const skip = await namespacesMissing();

describe('firewall, under traffic', { skip }, () => {
  const net = new Topology();
  before(async () => {
    await net.start();
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load();
    await net.gateway.call('hostUp', HOST);
  });
  after(() => net.stop());

  async function load(): Promise<void> {
    const now = Date.now();
    await net.gateway.call('load', exampleState(now), now);
  }

  async function echoes(id: string, text: string): Promise<void> {
    const sofar = await net.alice.call('heard', id);
    await net.alice.call('say', id, text);
    await until(`echo of ${text}`, async () => (await net.alice.call('heard', id)) === sofar + text);
  }

  /**
   * So many requests over each family. `-A` sends the next one at the answer: on a loaded machine a faster sender
   * overruns its own socket, and counts that as lost.
   */
  function pingAll(count = 100_000): Promise<string[]> {
    const ping = (address: string) => net.alice.exec('ping', '-q', '-A', '-c', `${count}`, '-W', '2', address);
    return Promise.all([RESOURCE.v4, RESOURCE.v6].map(ping));
  }

  it('replaces the whole table under traffic without losing a packet', async () => {
    await net.alice.call('open', 'reload', RESOURCE.v4, 80);
    let over = false;
    const done = pingAll().finally(() => (over = true));
    let reloads = 0;
    while (!over) {
      await load();
      await echoes('reload', `${reloads++}`);
    }
    for (const output of await done) assert.match(output, /100000 packets transmitted, 100000 received/);
    assert.ok(reloads > 3, `${reloads} reloads`);
  });

  it('renews time limits and cuts holes under traffic without losing a packet', async () => {
    await load();
    const { devices } = exampleState(0);
    let over = false;
    const done = pingAll().finally(() => (over = true));
    let changes = 0;
    while (!over) {
      const now = Date.now();
      const expiresAt = now + 60_000;
      const hole = 2 * ++changes;
      const v4 = [`1.0.0.0-10.200.0.${hole % 200}`, `10.200.0.${(hole % 200) + 2}-255.255.255.255`];
      const v6 = [`2000::-fd0a::${hole.toString(16)}`, `fd0a::${(hole + 2).toString(16)}-ffff::`];
      const upsert = {
        devices: [...devices.values()].map((device) => ({ ...device, expiresAt })),
        classes: [
          { id: 'idle', ranges: [] },
          { id: 'web', ranges: [...v4, ...v6] },
        ],
        profiles: [{ id: 'staff', cells: [{ class: 'web', bundle: 'http', expiresAt }] }],
      };
      assert.equal(await net.gateway.call('change', { upsert }, now), 'changed');
    }
    for (const output of await done) assert.match(output, /100000 packets transmitted, 100000 received/);
    assert.ok(changes > 10, `${changes} changes`);
    await load();
  });

  it('moves access to other classes, profiles and bundles under traffic without losing a packet', async () => {
    await load();
    const { devices, classes, bundles } = exampleState(0);
    const alice = devices.get('alice');
    const single = classes.get('web')?.ranges ?? [];
    const wide = ['1.0.0.0-10.200.0.1', '2000::-fd0a::1'];
    const http = bundles.get('http');
    assert.ok(alice && http);
    let [profile, bundle, web]: [string, string, string] = ['staff', 'http', 'web'];
    const profileItem = () => ({ id: profile, cells: [{ class: web, bundle, expiresAt: null }] });
    let over = false;
    const done = pingAll(20_000).finally(() => (over = true));
    let changes = 0;
    while (!over) {
      const kind: number = changes++ % 3;
      const next: string = `n${changes}`;
      const was = { profile, bundle, web };
      if (kind === 0) web = next;
      else if (kind === 1) profile = next;
      else bundle = next;
      const upsert: Partial<FirewallItems> = {
        profiles: [profileItem()],
        ...(kind === 0 && { classes: [{ id: web, ranges: changes % 2 === 0 ? single : wide }] }),
        ...(kind === 1 && { devices: [{ ...alice, profile }] }),
        ...(kind === 2 && { bundles: [{ ...http, id: bundle }] }),
      };
      const remove = {
        ...(kind === 0 && { classes: [was.web, 'idle'] }),
        ...(kind === 1 && { profiles: [was.profile] }),
        ...(kind === 2 && { bundles: [was.bundle] }),
      };
      assert.equal(await net.gateway.call('change', { upsert, remove }, Date.now()), 'changed');
    }
    for (const output of await done) assert.match(output, /20000 packets transmitted, 20000 received/);
    assert.ok(changes > 10, `${changes} changes`);
    await load();
  });

  it('keeps counting over reloads', async () => {
    const before = await net.gateway.call('counters');
    assert.ok((before.policies.get('p-ping')?.packets ?? 0) > 1000);
    await load();
    const after = await net.gateway.call('counters');
    assert.deepEqual(after.policies.get('p-ping'), before.policies.get('p-ping'));
    for (const name of DROP_COUNTERS) assert.ok(after.drops[name].packets >= before.drops[name].packets, name);
  });
});
