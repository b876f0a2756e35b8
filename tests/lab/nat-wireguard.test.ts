import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holds, type NatBehaviour, until, whyNoNamespaces } from '@sallyport/testkit';
import { generateKeyPair } from './keys.ts';
import { NatLab } from './nat-lab.ts';
import { wgQuickUp } from './system.ts';

/** Behaviour of unmodified WireGuard at NATs, with endpoints set by hand. Path finding builds on it. */
const skip = whyNoNamespaces() ?? false;
const port = 51820;
const inTunnel = { left: '10.99.0.1', right: '10.99.0.2' } as const;
type Side = keyof typeof inTunnel;

const friendly = { mapping: 'endpoint-independent', filter: 'dropped' } as const;
const open = { mapping: 'endpoint-independent', filter: 'open' } as const;
const cone = { mapping: 'endpoint-independent', filter: 'none' } as const;
const perAddress = { mapping: 'address-dependent', filter: 'dropped' } as const;
const symmetric = { mapping: 'symmetric', filter: 'dropped' } as const;

/** Two WireGuard ends behind a NAT each, without each other's endpoint. */
async function tunnel(t: { after(step: () => Promise<void>): void }, left: NatBehaviour, right: NatBehaviour) {
  const lab = await NatLab.create({
    nats: { 'left-nat': left, 'right-nat': right },
    hosts: { left: 'left-nat', right: 'right-nat' },
  });
  t.after(() => lab.cleanup.run());
  const keys = { left: generateKeyPair(), right: generateKeyPair() };
  const names = {} as Record<Side, string>;
  const other = (side: Side): Side => (side === 'left' ? 'right' : 'left');
  for (const side of ['left', 'right'] as const) {
    const configuration = `[Interface]
PrivateKey = ${keys[side].privateKey}
Address = ${inTunnel[side]}/32
ListenPort = ${port}
[Peer]
PublicKey = ${keys[other(side)].publicKey}
AllowedIPs = ${inTunnel[other(side)]}/32
`;
    names[side] = await wgQuickUp(lab, side, configuration);
  }
  const host = await lab.host('left');
  return {
    lab,
    /** Makes a side send to the external address of the other, once a second. */
    send: (side: Side, endpoint = `${lab.nat(`${other(side)}-nat`).address}:${port}`) =>
      lab
        .space(side)
        .exec(
          'wg',
          ...['set', names[side], 'peer', keys[other(side)].publicKey],
          ...['endpoint', endpoint, 'persistent-keepalive', '1'],
        ),
    /** Returns the current endpoint of a side. */
    endpoint: async (side: Side) =>
      (await lab.space(side).exec('wg', 'show', names[side], 'endpoints')).trim().split('\t')[1],
    answers: async () => (await host.ping(inTunnel.right, { timeoutMs: 300 })) === 'ok',
  };
}

const pairs = [
  { left: friendly, right: friendly, comesUp: true },
  { left: friendly, right: cone, comesUp: true },
  { left: symmetric, right: cone, comesUp: true },
  { left: perAddress, right: cone, comesUp: true },
  { left: friendly, right: symmetric, comesUp: false },
  { left: friendly, right: perAddress, comesUp: false },
  { left: symmetric, right: symmetric, comesUp: false },
] as const;

const named = ({ mapping, filter }: NatBehaviour) => `${mapping} (${filter})`;

for (const { left, right, comesUp } of pairs) {
  const outcome = comesUp ? 'come together' : 'need a relay';
  test(`${named(left)} and ${named(right)} ${outcome}`, { skip }, async (t) => {
    const ends = await tunnel(t, left, right);
    await ends.send('right');
    await ends.send('left');
    if (comesUp) await until('the tunnel', ends.answers, { timeoutMs: 4000 });
    // Longer than the five seconds after which WireGuard starts a new handshake.
    else assert.ok(await holds(async () => !(await ends.answers()), 6000));
  });
}

test('behind an open NAT, an end that receives before it sends loses its port', { skip }, async (t) => {
  const ends = await tunnel(t, friendly, open);
  await ends.send('left');
  await ends.send('right');
  assert.ok(await holds(async () => !(await ends.answers()), 6000), 'the stray datagram has taken the port');
});

test('behind an open NAT, the end that sends first gets through', { skip }, async (t) => {
  const ends = await tunnel(t, friendly, open);
  await ends.send('right');
  await ends.send('left');
  await until('the tunnel', ends.answers, { timeoutMs: 4000 });
});

test('a tunnel follows an end whose NAT forgets, if the other NAT does not filter', { skip }, async (t) => {
  const ends = await tunnel(t, friendly, cone);
  await ends.send('left');
  await ends.send('right');
  await until('the tunnel', ends.answers);
  const before = await ends.endpoint('right');
  await ends.lab.nat('left-nat').rebind();
  await until('the tunnel after the move', ends.answers, { timeoutMs: 2000 });
  assert.notEqual(await ends.endpoint('right'), before);
});

test('a tunnel between filtering NATs follows only after the new endpoint is set', {
  skip,
}, async (t) => {
  const ends = await tunnel(t, friendly, friendly);
  await ends.send('left');
  await ends.send('right');
  await until('the tunnel', ends.answers);
  await ends.lab.nat('left-nat').rebind();
  assert.ok(await holds(async () => !(await ends.answers()), 2500), 'neither end can tell the other');
  const moved = port ^ (1 << 11);
  await ends.send('right', `${ends.lab.nat('left-nat').address}:${moved}`);
  await until('the tunnel at the new endpoint', ends.answers, { timeoutMs: 2000 });
});
