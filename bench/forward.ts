import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CHECKED_MARK, type HostState } from '@sallyport/hostnet';
import { Cleanup, cable, Namespace, uniqueTag, until, whyNoNamespaces } from '@sallyport/testkit';
import type { DeviceInput, PeerInput, PolicyInput } from './forward-host.ts';
import { type Contender, type PairedResult, paired } from './harness.ts';

const overlay = { v4: '100.64.0.0/10', v6: 'fd5a::/48' };
const destination = '10.20.0.10';
const device = '100.64.0.2';

/** Forwarding through the gateway under full policy, over the same tunnel with masquerade alone. */
export async function forwarding(rounds: number): Promise<PairedResult[]> {
  const why = whyNoNamespaces();
  if (why !== null) throw new Error(`the forwarding benchmark ${why}`);
  const cleanup = new Cleanup();
  try {
    const lab = await build(cleanup);
    const contenders = (measure: () => Promise<number>): { baseline: Contender; subject: Contender } => ({
      baseline: { name: 'masquerade alone', measure: () => lab.masquerade().then(measure) },
      subject: { name: '10,000 devices, 1,000 destinations', measure: () => lab.policy().then(measure) },
    });
    const figure = 'forwarding with 10,000 devices and 1,000 destinations under policy, over masquerade alone';
    return [
      await paired(
        `${figure}: TCP`,
        'Mbit/s',
        contenders(() => tcp(lab.sender)),
        { rounds, atLeast: 0.95 },
      ),
      await paired(
        `${figure}: 64-byte UDP`,
        'packets/s',
        contenders(() => udp(lab.sender)),
        { rounds, atLeast: 0.95 },
      ),
    ];
  } finally {
    await cleanup.run();
  }
}

interface Lab {
  readonly sender: Namespace;
  masquerade(): Promise<void>;
  policy(): Promise<void>;
}

async function build(cleanup: Cleanup): Promise<Lab> {
  const tag = uniqueTag();
  const space = (name: string) => Namespace.create(`sp-${tag}-${name}`, cleanup);
  const [sender, gateway, resource] = [await space('sender'), await space('gateway'), await space('resource')];
  await cable(
    { namespace: sender, interface: 'eth0', addresses: ['203.0.113.2/24'] },
    { namespace: gateway, interface: 'wan0', addresses: ['203.0.113.1/24'] },
  );
  await cable(
    { namespace: gateway, interface: 'lan0', addresses: ['10.20.0.1/24'] },
    { namespace: resource, interface: 'eth0', addresses: [`${destination}/24`] },
  );
  const names = { sender: `bs${tag}`, gateway: `bg${tag}` };
  const gatewayKey = await inside(gateway, 'device', {
    interface: names.gateway,
    listenPort: 51820,
  } satisfies DeviceInput);
  const senderKey = await inside(sender, 'device', {
    interface: names.sender,
    listenPort: 51821,
  } satisfies DeviceInput);
  await inside(gateway, 'peer', {
    interface: names.gateway,
    peer: { publicKey: senderKey, allowedIps: [`${device}/32`] },
  } satisfies PeerInput);
  await inside(sender, 'peer', {
    interface: names.sender,
    peer: {
      publicKey: gatewayKey,
      endpoint: '203.0.113.1:51820',
      allowedIps: ['10.20.0.0/24'],
      persistentKeepalive: 25,
    },
  } satisfies PeerInput);
  await inside(gateway, 'host', {
    interface: names.gateway,
    addresses: ['100.64.0.1/32'],
    overlay,
    mtu: 1280,
    routes: [],
  } satisfies HostState);
  await sender.ip('addr', 'add', `${device}/32`, 'dev', names.sender);
  await sender.ip('link', 'set', names.sender, 'mtu', '1280', 'up');
  await sender.ip('route', 'add', '10.20.0.0/24', 'dev', names.sender);
  serve(resource, cleanup);
  const input: PolicyInput = {
    interface: names.gateway,
    overlay,
    device,
    destination,
    devices: 10_000,
    destinations: 1_000,
  };
  const lab: Lab = {
    sender,
    policy: async () => {
      await gateway.exec('nft', 'flush ruleset');
      await inside(gateway, 'policy', input);
    },
    masquerade: () =>
      gateway.nft(
        [
          'flush ruleset',
          'add table inet plain',
          'add chain inet plain pre { type filter hook prerouting priority mangle; }',
          // The same mark that our table sets, so that the routing rule lets the packets through.
          `add rule inet plain pre iifname "${names.gateway}" meta mark set ${CHECKED_MARK}`,
          'add chain inet plain post { type nat hook postrouting priority srcnat; }',
          `add rule inet plain post iifname "${names.gateway}" oifname != "${names.gateway}" masquerade`,
        ].join('; '),
      ),
  };
  await lab.policy();
  await until('the tunnel', () => sender.exec('ping', '-c', '1', '-W', '1', destination).then(() => true));
  return lab;
}

async function inside(namespace: Namespace, verb: string, input: object): Promise<string> {
  return (
    await namespace.exec(
      process.execPath,
      fileURLToPath(new URL('./forward-host.ts', import.meta.url)),
      verb,
      JSON.stringify(input),
    )
  ).trim();
}

function serve(resource: Namespace, cleanup: Cleanup): void {
  const child = spawn('ip', ['netns', 'exec', resource.name, 'iperf3', '-s'], { stdio: 'ignore' });
  cleanup.add(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  });
}

interface Iperf {
  readonly end: {
    readonly sum_received?: { bits_per_second: number };
    readonly sum?: { packets: number; lost_packets: number; seconds: number };
  };
}

async function iperf(sender: Namespace, ...args: string[]): Promise<Iperf> {
  return until(
    'iperf3',
    async () => JSON.parse(await sender.exec('iperf3', '-J', '-c', destination, '-t', '3', ...args)) as Iperf,
  );
}

async function tcp(sender: Namespace): Promise<number> {
  const { end } = await iperf(sender, '-O', '1');
  return (end.sum_received?.bits_per_second ?? Number.NaN) / 1e6;
}

/** Delivered packets per second of a sender that sends as fast as it can. */
async function udp(sender: Namespace): Promise<number> {
  const { end } = await iperf(sender, '-u', '-b', '0', '-l', '64');
  const { packets = Number.NaN, lost_packets = 0, seconds = Number.NaN } = end.sum ?? {};
  return (packets - lost_packets) / seconds;
}
