import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CHECKED_MARK, type HostState } from '@sallyport/hostnet';
import { type Cleanup, cable, Namespace, uniqueTag, until } from '@sallyport/testkit';
import type { DeviceInput, PeerInput, PolicyInput } from './forward-host.ts';
import { GatewayCpu, receiveInThread } from './gateway-cpu.ts';

const overlay = { v4: '100.64.0.0/10', v6: 'fd5a::/48' };
const device = '100.64.0.2';
/** Address of the host behind the gateway, which runs iperf3 as a server. */
export const destination = '10.20.0.10';

/** A device, a gateway and a host behind it, each in a namespace, with a tunnel between the first two. */
export interface Lab {
  readonly sender: Namespace;
  readonly cpu: GatewayCpu;
  /** Returns the number of packets that the gateway has exchanged with the host behind it. */
  packets(): Promise<number>;
}

/** A gateway whose policy can be removed. */
export interface GatewayLab extends Lab {
  /** Loads the policy: 10,000 devices in 100 profiles, 1,000 destinations. */
  policy(): Promise<void>;
  /** Removes the policy, and keeps masquerade, routing rules and sysctls, with the mark that lets packets pass. */
  masquerade(): Promise<void>;
}

/** Sets up the lab with a gateway. */
export async function gatewayLab(cleanup: Cleanup): Promise<GatewayLab> {
  const { gateway, name, resource: _, ...lab } = await build(cleanup, hostUp(overlay));
  const input = { interface: name, overlay, device, destination, devices: 10_000, destinations: 1_000 };
  const gatewayLab: GatewayLab = {
    ...lab,
    policy: async () => {
      await gateway.exec('nft', 'flush ruleset');
      await inside(gateway, 'policy', input satisfies PolicyInput);
    },
    masquerade: () =>
      gateway.nft(
        [
          ...masquerade(name),
          'add chain inet plain pre { type filter hook prerouting priority mangle; }',
          `add rule inet plain pre iifname "${name}" meta mark set ${CHECKED_MARK}`,
        ].join('; '),
      ),
  };
  await gatewayLab.policy();
  await answers(lab.sender);
  return gatewayLab;
}

/** Sets up the equivalent of `wg-quick` and a line of nft: an address, a route, forwarding, masquerade. */
export async function plainLab(cleanup: Cleanup): Promise<Lab> {
  const {
    gateway: _,
    name: __,
    resource: ___,
    ...lab
  } = await build(cleanup, async (gateway, tunnel) => {
    await gateway.ip('addr', 'add', '100.64.0.1/32', 'dev', tunnel);
    await gateway.ip('link', 'set', tunnel, 'mtu', '1280', 'up');
    await gateway.ip('route', 'add', `${device}/32`, 'dev', tunnel);
    await gateway.sysctl('net.ipv4.ip_forward', 1);
    await gateway.nft(masquerade(tunnel).join('; '));
  });
  await answers(lab.sender);
  return lab;
}

function masquerade(tunnel: string): string[] {
  return [
    'flush ruleset',
    'add table inet plain',
    'add chain inet plain post { type nat hook postrouting priority srcnat; }',
    `add rule inet plain post iifname "${tunnel}" oifname != "${tunnel}" masquerade`,
  ];
}

/** Sets up a gateway without a policy. The device has other addresses too, and more ways into the tunnel. */
export async function tunnelLab(
  cleanup: Cleanup,
  range: HostState['overlay'],
  more: { readonly addresses: readonly string[]; readonly ways: readonly string[] },
) {
  return { device, ...(await build(cleanup, hostUp(range), more)) };
}

function hostUp(range: HostState['overlay']) {
  return async (at: Namespace, tunnel: string): Promise<void> => {
    const state = { interface: tunnel, addresses: ['100.64.0.1/32'], overlay: range, mtu: 1280, routes: [] };
    await inside(at, 'host', state satisfies HostState);
  };
}

async function build(
  cleanup: Cleanup,
  setUp: (gateway: Namespace, tunnel: string) => Promise<void>,
  more: { readonly addresses: readonly string[]; readonly ways: readonly string[] } = { addresses: [], ways: [] },
) {
  const tag = uniqueTag();
  const space = (name: string) => Namespace.create(`sp-${tag}-${name}`, cleanup);
  const [sender, gateway, resource] = [await space('sender'), await space('gateway'), await space('resource')];
  const [wan, lan] = [`w${tag}`, `l${tag}`];
  await cable(
    { namespace: sender, interface: 'eth0', addresses: ['203.0.113.2/24'] },
    { namespace: gateway, interface: wan, addresses: ['203.0.113.1/24'] },
  );
  await cable(
    { namespace: gateway, interface: lan, addresses: ['10.20.0.1/24'] },
    { namespace: resource, interface: 'eth0', addresses: [`${destination}/24`] },
  );
  for (const [at, name] of [
    [gateway, wan],
    [gateway, lan],
    [sender, 'eth0'],
    [resource, 'eth0'],
  ] as const)
    await receiveInThread(at, name);
  const names = { sender: `bs${tag}`, gateway: `bg${tag}` };
  const addresses = [device, ...more.addresses];
  const ways = ['10.20.0.0/24', ...more.ways];
  await tunnel(sender, gateway, names, { addresses, ways });
  await setUp(gateway, names.gateway);
  for (const address of addresses) await sender.ip('addr', 'add', `${address}/32`, 'dev', names.sender);
  await sender.ip('link', 'set', names.sender, 'mtu', '1280', 'up');
  for (const way of ways) await sender.ip('route', 'add', way, 'dev', names.sender);
  serve(resource, cleanup);
  const cpu = await GatewayCpu.of(gateway, names.gateway, [wan, lan]);
  return { sender, gateway, resource, cpu, packets: () => packetsOf(gateway, lan), name: names.gateway };
}

async function packetsOf(at: Namespace, name: string): Promise<number> {
  const [link] = JSON.parse(await at.ip('-j', '-s', 'link', 'show', 'dev', name)) as {
    stats64: { rx: { packets: number }; tx: { packets: number } };
  }[];
  return (link?.stats64.rx.packets ?? Number.NaN) + (link?.stats64.tx.packets ?? Number.NaN);
}

async function tunnel(
  sender: Namespace,
  gateway: Namespace,
  names: { readonly sender: string; readonly gateway: string },
  { addresses, ways }: { readonly addresses: readonly string[]; readonly ways: readonly string[] },
) {
  const make = (at: Namespace, input: DeviceInput): Promise<string> => inside(at, 'device', input);
  const add = (at: Namespace, input: PeerInput): Promise<string> => inside(at, 'peer', input);
  const gatewayKey = await make(gateway, { interface: names.gateway, listenPort: 51820 });
  const senderKey = await make(sender, { interface: names.sender, listenPort: 51821 });
  const allowedIps = addresses.map((address) => `${address}/32`);
  await add(gateway, { interface: names.gateway, peer: { publicKey: senderKey, allowedIps } });
  await add(sender, {
    interface: names.sender,
    peer: {
      publicKey: gatewayKey,
      endpoint: '203.0.113.1:51820',
      allowedIps: ways,
      persistentKeepalive: 25,
    },
  });
}

async function inside(namespace: Namespace, verb: string, input: object): Promise<string> {
  const program = fileURLToPath(new URL('./forward-host.ts', import.meta.url));
  return (await namespace.exec(process.execPath, program, verb, JSON.stringify(input))).trim();
}

async function answers(sender: Namespace): Promise<void> {
  await until('the tunnel', () => sender.exec('ping', '-c', '1', '-W', '1', destination).then(() => true));
}

function serve(resource: Namespace, cleanup: Cleanup): void {
  const child = spawn('ip', ['netns', 'exec', resource.name, 'iperf3', '-s'], { stdio: 'ignore' });
  cleanup.add(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  });
}
