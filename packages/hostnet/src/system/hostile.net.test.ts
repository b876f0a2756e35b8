import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DropCounter } from '../firewall/ruleset.ts';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { connectFrom, exchange, type Quoted, sendError } from '../testing/packets.ts';
import { ALICE, exampleState, GATEWAY_LAN, HOST, OTHER, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';

const skip = await namespacesMissing();
const never = new Promise<void>(() => {});

describe('hostile packets', { skip }, () => {
  const net = new Topology();
  let perl = false;
  before(async () => {
    await net.start();
    perl = await net.bob.succeeds('perl', '-MSocket=:all', '-e', '1');
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await net.gateway.call('load', exampleState(Date.now()), Date.now());
    await net.gateway.call('hostUp', HOST);
  });
  after(() => net.stop());

  async function dropped(counter: DropCounter): Promise<number> {
    return (await net.gateway.call('counters')).drops[counter].packets;
  }

  /** Checks that our table drops the packets of the attempt. */
  async function isDropped(counter: DropCounter, attempt: () => Promise<unknown>): Promise<void> {
    const before = await dropped(counter);
    let outcome = 'pending';
    attempt()
      .then(() => never)
      .catch((error: Error) => (outcome = error.message));
    await until(`${counter} counts`, async () => outcome !== 'pending' || (await dropped(counter)) > before);
    assert.equal(outcome, 'pending');
  }

  /** Kernel counter of "destination unreachable" messages that the resource has received. */
  async function unreachables(family: 'v4' | 'v6'): Promise<number> {
    if (family === 'v6') {
      const text = await net.resource.exec('cat', '/proc/net/snmp6');
      return Number(/^Icmp6InDestUnreachs\s+(\d+)$/m.exec(text)?.[1]);
    }
    const [names = '', values = ''] = (await net.resource.exec('cat', '/proc/net/snmp'))
      .split('\n')
      .filter((line) => line.startsWith('Icmp:'));
    return Number(values.split(' ')[names.split(' ').indexOf('InDestUnreachs')]);
  }

  for (const family of ['v4', 'v6'] as const) {
    it(`a device's ICMP errors about flows of the gateway host and its network are dropped: ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      const own = { from: GATEWAY_LAN[family], fromPort: 5001, to: RESOURCE[family], toPort: 80 };
      await exchange(net.gateway, own);
      const incoming = { from: OTHER[family], fromPort: 5002, to: GATEWAY_LAN[family], toPort: 80 };
      if (family === 'v4') await exchange(net.resource, incoming);
      const about = (quoted: Quoted, to: Quoted['from']): Quoted =>
        quoted.from === to
          ? quoted
          : { from: quoted.to, fromPort: quoted.toPort, to: quoted.from, toPort: quoted.fromPort };
      for (const device of [net.alice, net.bob]) {
        for (const kind of ['tooBig', 'unreachable', 'timeExceeded'] as const) {
          await isDropped('denied_in', () => sendError(device, kind, own));
          if (family === 'v4') await isDropped('denied_in', () => sendError(device, kind, incoming));
          await isDropped('denied_in', () => sendError(device, kind, about(own, RESOURCE[family])));
        }
      }
      const route = await net.gateway.exec('ip', 'route', 'get', RESOURCE[family]);
      assert.doesNotMatch(route, /\bmtu\b/, 'nobody has talked the gateway into small packets');
    });

    it(`a device's ICMP errors about its own flows pass only if they say "unreachable": ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      await exchange(net.alice, { from: ALICE[family], fromPort: 5003, to: RESOURCE[family], toPort: 80 });
      const answer = { from: RESOURCE[family], fromPort: 80, to: ALICE[family], toPort: 5003 };
      await isDropped('denied_in', () => sendError(net.alice, 'tooBig', answer));
      await isDropped('denied_in', () => sendError(net.alice, 'timeExceeded', answer));
      await isDropped('denied_in', () => sendError(net.bob, 'unreachable', answer));
      const before = await unreachables(family);
      await sendError(net.alice, 'unreachable', answer);
      await until('the resource hears of it', async () => (await unreachables(family)) === before + 1);
    });

    it(`untracked packets do not pass as replies: ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      await net.gateway.exec(
        'nft',
        'add table inet other; add chain inet other raw { type filter hook prerouting priority raw; }; add rule inet other raw tcp sport 8005 notrack',
      );
      const syn = { from: RESOURCE[family], fromPort: 8005, to: ALICE[family], toPort: 81 };
      const admitted = async () => (await net.gateway.call('counters')).policies.get('p-web')?.packets;
      const before = await admitted();
      await isDropped('invalid', () => connectFrom(net.resource, syn));
      assert.equal(await admitted(), before);
      await net.gateway.exec('nft', 'delete', 'table', 'inet', 'other');
      await isDropped('denied_out', () => connectFrom(net.resource, { ...syn, fromPort: 8006 }));
    });
  }
});
