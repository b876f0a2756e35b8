import { randomBytes } from 'node:crypto';
import { Firewall, type FirewallState, Host, type HostState } from '@sallyport/hostnet';
import { KEY_BYTES, type PeerConfig, privateKeyFrom, publicKeyOf, userspaceBackend } from '@sallyport/wireguard';

/**
 * Runs inside a namespace. `device JSON` creates a WireGuard device with its own key and prints the public key. `peer
 * JSON` adds a peer, `host JSON` sets up a gateway's host, `policy JSON` loads the whole firewall.
 */

/** Input of the verb `device`. */
export interface DeviceInput {
  readonly interface: string;
  readonly listenPort: number;
}

/** Input of the verb `peer`. */
export interface PeerInput {
  readonly interface: string;
  readonly peer: PeerConfig;
}

/** Input of the verb `policy`. */
export interface PolicyInput {
  readonly interface: string;
  readonly overlay: { readonly v4: string; readonly v6: string };
  /** Overlay address of the one device that sends. */
  readonly device: string;
  /** Address of the one resource that it sends to. */
  readonly destination: string;
  readonly devices: number;
  readonly destinations: number;
}

async function device(input: DeviceInput): Promise<void> {
  const backend = userspaceBackend(build);
  await backend.ensure(input.interface);
  const privateKey = privateKeyFrom(randomBytes(KEY_BYTES));
  await backend.apply(input.interface, { privateKey, listenPort: input.listenPort, peers: [] });
  console.log(publicKeyOf(privateKey));
}

async function policy(input: PolicyInput): Promise<void> {
  const firewall = new Firewall({ interface: input.interface, overlay: input.overlay, flowsPerAddress: 100_000 });
  await firewall.load(bigState(input), Date.now());
}

/**
 * Devices in 100 profiles. Each profile reaches every tenth destination; the sender's profile reaches the real
 * destination.
 */
function bigState(input: PolicyInput): FirewallState {
  const address = (n: number): string => `100.${100 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
  const bundles = new Map([
    [
      'b',
      {
        id: 'b',
        grants: (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, from: 0, to: 65535, policy: 'p' })),
      },
    ],
  ]);
  const devices = new Map(
    Array.from({ length: input.devices }, (_, n) => [
      `d${n}`,
      { id: `d${n}`, addresses: [n === 0 ? input.device : address(n)], profile: `p${n % 100}`, expiresAt: null },
    ]),
  );
  const classes = new Map(
    Array.from({ length: input.destinations }, (_, n) => {
      const at = n === 0 ? input.destination : `10.30.${n >> 8}.${n & 255}`;
      return [`c${n}`, { id: `c${n}`, ranges: [`${at}-${at}`] }];
    }),
  );
  const cells = (profile: number) =>
    Array.from({ length: input.destinations }, (_, n) => n)
      .filter((n) => n === 0 || n % 10 === profile % 10)
      .map((n) => ({ class: `c${n}`, bundle: 'b', expiresAt: null }));
  const profiles = new Map(Array.from({ length: 100 }, (_, n) => [`p${n}`, { id: `p${n}`, cells: cells(n) }]));
  return {
    masquerade: true,
    draining: false,
    leaseUntil: Date.now() + 3_600_000,
    devices,
    classes,
    profiles,
    bundles,
    sites: new Map(),
    gateways: new Map(),
    egress: new Map(),
  };
}

/** The build to measure; by default the newest installed one. */
const { SALLYPORT_WIREGUARD_GO: program } = process.env;
const build = program ? { program } : {};
const [verb, json = ''] = process.argv.slice(2);
const input: unknown = JSON.parse(json);
if (verb === 'device') await device(input as DeviceInput);
else if (verb === 'peer')
  await userspaceBackend().apply((input as PeerInput).interface, {
    peers: [{ kind: 'set', peer: (input as PeerInput).peer }],
  });
else if (verb === 'host') await new Host().up(input as HostState);
else if (verb === 'policy') await policy(input as PolicyInput);
else throw new Error(`unknown verb ${verb}`);
