import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { monotonicMs, type NatBehaviour, until } from '@sallyport/testkit';
import type { PathsScenario } from './paths-scenario.ts';
import { healed, nats, twoNats } from './paths-topologies.ts';

/** Requires a direct path between NATs, and that both sides report their NATs. */
export async function becomesDirect(t: TestContext, home: NatBehaviour, site: NatBehaviour): Promise<void> {
  const { s, laptop, stream, pathIs } = await twoNats(t, home, site);
  await stream.answered(0);
  await pathIs('direct');
  await laptop.is('an endpoint-independent NAT', ({ nat }) => nat?.kind === 'independent');
  assert.match(await gatewayStatus(s, 'gate'), /^NAT +endpoint-independent mapping, seen as 203\.0\.113\.61:/m);
  assert.match(await gatewayStatus(s, 'hub'), /^NAT +no NAT, seen as 203\.0\.113\./m);
}

/** Requires a relayed path between NATs, and that ping and the API report it. */
export async function becomesRelayed(t: TestContext, home: NatBehaviour, site: NatBehaviour): Promise<void> {
  const { s, laptop, stream, pathIs } = await twoNats(t, home, site);
  await stream.answered(0);
  const status = await pathIs('relayed');
  assert.equal(status.gateways.find(({ name }) => name === 'gate')?.relay?.id, s.gateway('hub').id);
  assert.equal((await laptop.ping('gate')).path, 'relayed');
  // Two ports at one address cannot distinguish address-dependent mapping from an endpoint-independent one.
  const mapping = home === nats.symmetric ? 'dependent' : 'independent';
  await laptop.is(`an ${mapping} mapping`, ({ nat }) => nat?.kind === mapping);
  const { paths } = await until('the API to say so', async () => {
    const device = await s.controller.call('getDevice', { params: { id: laptop.id } });
    return device.paths?.some(({ via }) => via === 'RELAYED') ? device : null;
  });
  assert.equal(paths?.find(({ via }) => via === 'RELAYED')?.relay?.name, 'hub');
}

/** A NAT forgets its mappings, and gets another address if there is one. */
export interface NatMove {
  readonly nat: 'home' | 'site';
  readonly address: string | null;
}

/** Requires that a direct path heals after a move. */
export async function healsAfter(t: TestContext, { nat, address }: NatMove): Promise<void> {
  const { s, stream, pathIs } = await twoNats(t, nats.friendly, nats.friendly);
  await stream.answered(0);
  await pathIs('direct');
  const at = monotonicMs();
  await (address === null ? s.lab.nat(nat).rebind() : s.lab.nat(nat).changeAddress(address));
  const { ms } = await healed(stream, at);
  t.diagnostic(`healed after ${Math.round(ms)} ms`);
}

/** Returns the output of `sally gateway status` once it describes the NAT. */
function gatewayStatus(s: PathsScenario<'laptop' | 'gate' | 'hub'>, name: 'gate' | 'hub'): Promise<string> {
  const look = async () => {
    const text = await s.gateway(name).agent.status();
    return text.includes('NAT ') && !text.includes('not known') ? text : null;
  };
  return until(`the NAT of ${name}`, look);
}
