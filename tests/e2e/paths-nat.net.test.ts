import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs, type NatBehaviour, outageOf, RequestStream, until, whyNoNamespaces } from '@sallyport/testkit';
import { PathsScenario } from '../lab/paths-scenario.ts';

const skip = whyNoNamespaces() ?? false;

const friendly = { mapping: 'endpoint-independent', filter: 'dropped' } as const;
const open = { mapping: 'endpoint-independent', filter: 'open' } as const;
const perAddress = { mapping: 'address-dependent', filter: 'dropped' } as const;
const symmetric = { mapping: 'symmetric', filter: 'dropped' } as const;

/** A device and a gateway behind a NAT each, and a relaying gateway with a public address. */
async function twoNats(t: { after(step: () => Promise<void>): void }, home: NatBehaviour, site: NatBehaviour) {
  const s = await PathsScenario.create({
    nats: { home, site },
    hosts: { laptop: 'home', gate: 'site', hub: 'internet' },
    lans: { office: ['gate'] },
    gateways: { gate: {}, hub: { endpoint: true, relay: true } },
  });
  t.after(() => s.cleanup.run());
  await s.open('office', ['gate']);
  await s.converged();
  const laptop = await s.clientUp('laptop');
  const stream = await RequestStream.start(laptop.host, s.url('office'), { everyMs: 30, timeoutMs: 500 });
  const pathIs = (path: 'direct' | 'relayed', timeoutMs = 20_000) =>
    laptop.is(
      `a ${path} path`,
      ({ gateways }) => gateways.find(({ name }) => name === 'gate')?.path === path,
      timeoutMs,
    );
  return { s, laptop, stream, pathIs };
}

const named = ({ mapping, filter }: NatBehaviour) => `${mapping} (${filter})`;

for (const [home, site] of [
  [friendly, friendly],
  [open, friendly],
  [friendly, open],
  [open, open],
] as const) {
  test(`device behind ${named(home)}, gateway behind ${named(site)}: direct`, { skip }, async (t) => {
    const { s, laptop, stream, pathIs } = await twoNats(t, home, site);
    await stream.answered(0);
    await pathIs('direct');
    await laptop.is('an endpoint-independent NAT', ({ nat }) => nat?.kind === 'independent', 45_000);
    assert.match(await gatewayStatus(s, 'gate'), /^NAT +endpoint-independent mapping, seen as 203\.0\.113\.61:/m);
    assert.match(await gatewayStatus(s, 'hub'), /^NAT +no NAT, seen as 203\.0\.113\./m);
  });
}

for (const [home, site] of [
  [symmetric, friendly],
  [friendly, symmetric],
  [symmetric, symmetric],
  [perAddress, perAddress],
] as const) {
  test(`device behind ${named(home)}, gateway behind ${named(site)}: relayed`, { skip }, async (t) => {
    const { s, laptop, stream, pathIs } = await twoNats(t, home, site);
    await stream.answered(0);
    const status = await pathIs('relayed');
    assert.equal(status.gateways.find(({ name }) => name === 'gate')?.relay?.id, s.gateway('hub').id);
    assert.equal((await laptop.ping('gate')).path, 'relayed');
    // Two ports at one address cannot distinguish address-dependent mapping from an endpoint-independent one.
    const mapping = home === symmetric ? 'dependent' : 'independent';
    await laptop.is(`an ${mapping} mapping`, ({ nat }) => nat?.kind === mapping, 45_000);
    const { paths } = await until('the API to say so', async () => {
      const device = await s.controller.call('getDevice', { params: { id: laptop.id } });
      return device.paths?.some(({ via }) => via === 'RELAYED') ? device : null;
    });
    assert.equal(paths?.find(({ via }) => via === 'RELAYED')?.relay?.name, 'hub');
  });
}

test('a relayed path becomes direct without an interruption when the NATs allow it', { skip }, async (t) => {
  const { s, stream, pathIs } = await twoNats(t, friendly, symmetric);
  await stream.answered(0);
  await pathIs('relayed');
  await s.lab.nat('site').become(friendly);
  await pathIs('direct', 60_000);
  const settled = monotonicMs();
  await stream.answered(settled + 500);
  assert.deepEqual(outageOf(await stream.stop(), settled), { failed: 0, ms: 0 });
});

const moves = [
  { name: 'the NAT of the device forgets', nat: 'home', address: null },
  { name: 'the NAT of the gateway forgets', nat: 'site', address: null },
  { name: 'the NAT of the device gets another address', nat: 'home', address: '203.0.113.99/24' },
] as const;

for (const { name, nat, address } of moves) {
  test(`${name}: the tunnel heals`, { skip }, async (t) => {
    const { s, stream, pathIs } = await twoNats(t, friendly, friendly);
    await stream.answered(0);
    await pathIs('direct');
    const at = monotonicMs();
    await (address === null ? s.lab.nat(nat).rebind() : s.lab.nat(nat).changeAddress(address));
    const { ms } = await within(stream, at);
    t.diagnostic(`healed after ${Math.round(ms)} ms`);
  });
}

/** Returns the output of `sally gateway status` once it describes the NAT. */
function gatewayStatus(s: PathsScenario<'laptop' | 'gate' | 'hub'>, name: 'gate' | 'hub'): Promise<string> {
  const look = async () => {
    const text = await s.gateway(name).agent.status();
    return text.includes('NAT ') && !text.includes('not known') ? text : null;
  };
  return until(`the NAT of ${name}`, look, { timeoutMs: 45_000 });
}

/** Waits until answers arrive for a second without a failure, and returns the length of the outage. */
async function within(stream: RequestStream, since: number): Promise<{ ms: number }> {
  return until(
    'answers for a second',
    async () => {
      const samples = await stream.samples();
      const { ms } = outageOf(samples, since);
      const last = samples.findLast(({ body }) => body !== undefined);
      return ms !== null && last !== undefined && last.at > since + ms + 1000 ? { ms } : null;
    },
    { timeoutMs: 45_000 },
  );
}
