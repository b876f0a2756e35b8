import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { exchange, type Quoted, sendError } from '../testing/packets.ts';
import { ALICE, BOB, exampleState, GATEWAY_LAN, HOST, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';
import type { FirewallState } from '../types.ts';

const skip = await namespacesMissing();
/** Behind the other gateway, which the namespace `bob` represents. */
const BRANCH = { v4: '10.1.0.5', v6: 'fd11::5' } as const;
const FAMILIES = ['v4', 'v6'] as const;

describe('ICMP errors about foreign flows', { skip }, () => {
  const net = new Topology();
  let perl = false;
  let port = 5500;
  before(async () => {
    await net.start();
    perl = await net.bob.succeeds('perl', '-MSocket=:all', '-e', '1');
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load({});
    await net.gateway.call('hostUp', { ...HOST, onward: true, routes: ['10.1.0.0/16', 'fd11::/32'] });
    await net.bob.ip(`address add ${BRANCH.v4}/32 dev tun\n address add ${BRANCH.v6}/128 dev tun nodad`);
    await net.wire.ip(`route add ${BRANCH.v4} dev towards-bob\n route add ${BRANCH.v6} dev towards-bob`);
    await net.bob.ip(`route add 10.9.0.0/24 dev tun src ${BRANCH.v4}\n route add fd09::/64 dev tun src ${BRANCH.v6}`);
    await net.bob.call('serve', 80);
  });
  after(() => net.stop());

  async function load(change: Partial<FirewallState>): Promise<void> {
    const now = Date.now();
    await net.gateway.call('load', { ...exampleState(now), ...change }, now);
  }

  /** Removes Bob's device, whose peer WireGuard may still have. */
  function withoutBob(): Pick<FirewallState, 'devices'> {
    return { devices: new Map([...exampleState(Date.now()).devices].filter(([id]) => id !== 'bob')) };
  }

  const single = ({ v4, v6 }: { v4: string; v6: string }): string[] => [`${v4}-${v4}`, `${v6}-${v6}`];
  /** Lets Alice pass through this gateway to the branch. */
  const any = { protocol: 'udp', from: 0, to: 65535, policy: 'p' } as const;
  const onward = {
    classes: new Map([['web', { id: 'web', ranges: single(BRANCH) }]]),
    bundles: new Map([['http', { id: 'http', grants: [any] }]]),
    profiles: new Map([
      ['staff', { id: 'staff', cells: [{ class: 'web', bundle: 'http', expiresAt: null, onward: true }] }],
      ['guests', { id: 'guests', cells: [] }],
    ]),
  };
  const gateways = new Map([['next', { id: 'next', addresses: [BOB.v4, BOB.v6], expiresAt: null }]]);
  const egress = new Map([
    [
      'out',
      {
        id: 'out',
        sources: [`${RESOURCE.v4}/32`, `${RESOURCE.v6}/128`],
        destinations: ['10.1.0.0/16', 'fd11::/32'],
        expiresAt: null,
      },
    ],
  ]);

  /** Opens a flow whose socket stays open, because the kernel ignores errors about a closed one. */
  async function talk(at: Namespace, { from, fromPort, to, toPort }: Quoted): Promise<void> {
    const id = `${from} ${fromPort}`;
    await at.call('bind', id, from, fromPort);
    await until('an answer', async () => {
      await at.call('send', id, '00', to, toPort);
      return (await at.call('datagrams', id)).length > 0;
    });
  }

  const believes = async (at: Namespace, { from, to }: Quoted): Promise<boolean> =>
    / mtu 1\d\d\d\b/.test(await at.exec('ip', 'route', 'get', to, 'from', from));

  /** Returns the source of the branch's packets to an address. */
  const speaksAs = (source: string, to: string): Promise<void> =>
    net.bob.ip(`route replace ${to} dev tun src ${source}`);

  for (const family of FAMILIES) {
    for (const masquerade of [true, false]) {
      it(`are not forwarded to another device, masquerade ${masquerade}: ${family}`, async (t) => {
        if (!perl) return t.skip('needs perl');
        if (!masquerade) await net.resource.ip(`route replace ${ALICE[family]} via ${GATEWAY_LAN[family]}`);
        for (const state of [{ masquerade }, { masquerade, ...withoutBob() }]) {
          await load(state);
          const flow = { from: ALICE[family], fromPort: port++, to: RESOURCE[family], toPort: 80 };
          await talk(net.alice, flow);
          const quoted = { ...flow, from: masquerade ? GATEWAY_LAN[family] : ALICE[family] };
          for (const kind of ['tooBig', 'unreachable', 'timeExceeded'] as const)
            await net.isDropped('denied_out', async () => {
              await sendError(net.bob, kind, quoted);
              await new Promise(() => {});
            });
          assert.equal(await believes(net.alice, flow), false);
        }
      });
    }

    it(`do not enter as answers to egress: ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      await load({ egress });
      const flow = { from: RESOURCE[family], fromPort: port++, to: BRANCH[family], toPort: 80 };
      await talk(net.resource, flow);
      for (const kind of ['tooBig', 'unreachable', 'timeExceeded'] as const)
        await net.isDropped('denied_in', async () => {
          await sendError(net.alice, kind, flow);
          await new Promise(() => {});
        });
      assert.equal(await believes(net.resource, flow), false);
    });

    it(`are accepted from the gateway that carries the flow: ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      await load({ ...withoutBob(), ...onward, gateways, egress });
      for (const [at, from] of [
        [net.alice, ALICE],
        [net.resource, RESOURCE],
      ] as const) {
        const flow = { from: from[family], fromPort: port++, to: BRANCH[family], toPort: 80 };
        await speaksAs(BRANCH[family], from[family]);
        await talk(at, flow);
        assert.equal(await believes(at, flow), false);
        await speaksAs(BOB[family], from[family]);
        await sendError(net.bob, 'tooBig', flow, 1290);
        await until('the sender to learn of the size', () => believes(at, flow));
      }
    });

    it(`are accepted from the destination itself: ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      await load({ ...onward, egress });
      for (const [at, from] of [
        [net.alice, ALICE],
        [net.resource, RESOURCE],
      ] as const) {
        const flow = { from: from[family], fromPort: port++, to: BRANCH[family], toPort: 9 };
        await assert.rejects(exchange(at, flow), /refused/);
      }
    });
  }
});
