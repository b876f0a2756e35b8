import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, GATEWAY_LAN, HOST, OVERLAY, Topology } from '../testing/topology.ts';

const skip = await namespacesMissing();

describe('after a flush of the ruleset without an agent', { skip }, () => {
  const net = new Topology();
  before(async () => {
    await net.start();
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load();
    await net.gateway.call('hostUp', HOST);
  });
  after(() => net.stop());

  /** Alice may also reach services of the gateway itself. */
  async function load(): Promise<void> {
    const state = exampleState(Date.now());
    const ranges = [GATEWAY_LAN.v4, GATEWAY_LAN.v6].map((address) => `${address}-${address}`);
    const classes = new Map(state.classes).set('own', { id: 'own', ranges });
    const cells = ['web', 'own'].map((id) => ({ class: id, bundle: 'http', expiresAt: null }));
    const profiles = new Map(state.profiles).set('staff', { id: 'staff', cells });
    await net.gateway.call('load', { ...state, classes, profiles }, Date.now());
  }

  for (const family of ['v4', 'v6'] as const) {
    it(`an established connection to a service of the gateway itself stops: ${family}`, async () => {
      await load();
      await net.alice.call('open', family, GATEWAY_LAN[family], 80);
      await net.alice.call('say', family, 'before');
      await until('an echo', async () => (await net.alice.call('heard', family)) === 'before');
      await net.gateway.exec('nft', 'flush', 'ruleset');
      await net.alice.call('say', family, 'after');
      await until('the segment to be sent again and again', async () => {
        assert.equal(await net.alice.call('heard', family), 'before');
        const sockets = await net.alice.exec('ss', '-tinH', 'dport', '=', ':80');
        return /\bbackoff:[2-9]/.test(sockets);
      });
      await net.alice.call('close', family);
    });
  }
});
