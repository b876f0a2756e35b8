import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bundleItem, classItem, probeItem } from '@sallyport/agent-core/testing';
import type { ProbeItem } from '@sallyport/contract/channel';
import { Host, until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, recovers } from './testing/waits.ts';
import { serverAddress, serverAddress6, type World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;
const folder = new URL('testing/rulesets/', import.meta.url);

/** Destinations of a device: a server behind the gateway, and a service of the gateway itself. */
const targets = {
  tcp4: probeItem('tcp4', serverAddress, 80),
  tcp6: probeItem('tcp6', serverAddress6, 80),
  icmp4: probeItem('icmp4', serverAddress, null),
  icmp6: probeItem('icmp6', serverAddress6, null),
  own4: probeItem('own4', '10.20.0.1', 80),
  own6: probeItem('own6', 'fd20::1', 80),
};
/** No probe of the state names them; the gateway derives them from grants. */
const datagrams = {
  udp4: serverAddress,
  udp6: serverAddress6,
  ownUdp4: '10.20.0.1',
  ownUdp6: 'fd20::1',
};
type Target = keyof typeof targets | keyof typeof datagrams;
const forwarded: readonly Target[] = ['tcp4', 'tcp6', 'icmp4', 'icmp6'];
const udp: readonly Target[] = ['udp4', 'udp6'];
const ownUdp: readonly Target[] = ['ownUdp4', 'ownUdp6'];
const tcp: readonly Target[] = ['tcp4', 'tcp6'];
const own: readonly Target[] = ['own4', 'own6'];

interface Verdict {
  readonly cut: readonly Target[];
  readonly says?: RegExp;
  readonly unreachable?: true;
}

/**
 * By file: the unreachable destinations of a device, and the text of the error. Empty when the gateway stays as it is.
 */
const verdicts: Readonly<Record<string, Verdict>> = {
  'docker-27': {
    cut: [...forwarded, ...udp],
    says: /Packets of .*chain FORWARD of table ip6? filter.*its policy.*ip6?tables -I DOCKER-USER -i/,
  },
  'docker-27-user': { cut: [] },
  'docker-28': {
    cut: [...forwarded, ...udp],
    says: /chain FORWARD of table ip6? filter.*its policy.*ip6?tables -I DOCKER-USER -i/,
  },
  fail2ban: { cut: [] },
  firewalld: {
    cut: [...tcp, ...own, ...udp, ...ownUdp],
    says: /chain filter_\w+ of table inet firewalld.*icmpx.*--zone=trusted/,
  },
  'firewalld-trusted': { cut: [] },
  'hand-forward': {
    cut: [...tcp, ...udp],
    says: /Answers of .* chain forward of table inet router at the forward hook.*its policy/,
  },
  'hand-forward-by-address': { cut: [] },
  'hand-input': {
    cut: [...own, ...ownUdp],
    says: /chain input of table inet host at the input hook.*nft insert rule inet host input iif/,
  },
  'hand-output': {
    cut: ['own4'],
    says: /Answers of 10\.20\.0\.1 .*chain output of table inet host.*output oifname/,
  },
  'hand-postrouting': {
    cut: ['tcp4', 'icmp4', 'udp4'],
    says: /chain last of table inet leaks at the postrouting hook/,
  },
  'hand-prerouting': { cut: ['tcp4', 'own4'], says: /chain early of table inet office at the prerouting hook/ },
  'hand-set': { cut: ['tcp6', 'icmp6', 'udp6'], says: /chain forward of table ip6 blocklist.*ip6 daddr @bad/ },
  'hand-udp-forward': {
    cut: ['udp4'],
    says: /Packets of the tunnel to 10\.20\.0\.10 UDP port 5060 do not get through: chain forward of table inet strict/,
  },
  'hand-udp-late': { cut: ['udp6', 'ownUdp6'], says: /UDP port 5060 .*chain (in|out) of table ip6 late at the/ },
  'netdev-egress': { cut: ['tcp4', 'icmp6'], says: /chain out of table netdev leaving at the egress hook/ },
  // This host is cut off as well, so the resource counts as unreachable, and devices are informed.
  'netdev-ingress-lan': { cut: tcp, unreachable: true },
  'netdev-ingress-tunnel': { cut: ['tcp4', 'udp4'], says: /chain arriving of table netdev early at the ingress hook/ },
  oracle: {
    cut: ['tcp4', 'icmp4', 'own4', 'udp4', 'ownUdp4'],
    says: /table ip filter.*reject.*iptables -I (FORWARD|INPUT) -i/,
  },
  tailscale: {
    cut: ['own4', 'ownUdp4'],
    says: /chain ts-input of table ip filter at the input hook.*iptables -I INPUT -i/,
  },
  ufw: {
    cut: [...tcp, ...own, ...udp, ...ownUdp],
    says: /chain (FORWARD|INPUT) of table ip6? filter.*its policy.*ufw (route )?allow in on/,
  },
  'ufw-allowed': { cut: [] },
};

test('a gateway is in error exactly while foreign rules block a device', { skip }, async (t) => {
  const made = await deployableWorld(t);
  const host = await Host.start(made.gateway, made.cleanup);
  await host.listenTcp(80);
  for (const address of [serverAddress, serverAddress6]) await made.server.listenUdp(5060, address);
  for (const address of ['10.20.0.1', 'fd20::1']) await host.listenUdp(5060, address);
  const addresses = [serverAddress, serverAddress6, '10.20.0.1', 'fd20::1'];
  const everything = [
    { protocol: 'tcp', from: 80, to: 80, policy: 'web' } as const,
    { protocol: 'icmp', from: 0, to: 65535, policy: 'web' } as const,
    { protocol: 'udp', from: 5060, to: 5060, policy: 'web' } as const,
  ];
  await made.controller.change([
    ...Object.values(targets),
    classItem(
      'c1',
      addresses.map((address) => `${address}-${address}`),
    ),
    bundleItem('b1', everything),
  ]);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('everything', async () => (await cutFrom(made)).length === 0);
  assert.deepEqual(Object.keys(verdicts), files(), 'every ruleset has a verdict');

  const lan = made.interface.replace('spg', 'vc');
  for (const [name, { cut, says, unreachable }] of Object.entries(verdicts)) {
    await t.test(`${name}: ${cut.length === 0 ? 'nothing' : cut.join(', ')} cut`, async (part) => {
      const rules = readFileSync(new URL(`${name}.nft`, folder), 'utf8')
        .replaceAll('TUNNEL', made.interface)
        .replaceAll('LAN', lan);
      const before = (await failures(made)).length;
      await made.gateway.nft(rules);
      let removed = false;
      const remove = async () => {
        if (!removed) await made.gateway.nft(removal(rules));
        removed = true;
      };
      part.after(remove);
      const began = performance.now();
      if (unreachable) await until('unreachable resources', async () => same(await unreachableOf(made), cut));
      else if (says === undefined) await measured(made);
      else await until(`an error like ${says}`, async () => says.test((await newFailures(made, before)).join('\n')));
      t.diagnostic(`${name}: known after ${Math.round(performance.now() - began)} ms`);
      assert.deepEqual(await cutFrom(made), cut);
      if (says === undefined) assert.deepEqual(await newFailures(made, before), []);
      await remove();
      await recovers(made);
      await until('everything', async () => (await cutFrom(made)).length === 0);
    });
  }
});

test('a resource outage is no error of the gateway', { skip }, async (t) => {
  const made = await deployableWorld(t);
  await made.controller.change([
    targets.tcp4,
    probeItem('down', '10.20.0.99', 80),
    probeItem('shut', serverAddress, 99),
  ]);
  made.startAgent();
  await made.applied();
  await measured(made);
  assert.deepEqual(await failures(made), []);
});

function files(): string[] {
  return readdirSync(folder)
    .map((name) => name.replace(/\.nft$/, ''))
    .sort();
}

/** Returns the unreachable destinations of the device, in the order of the targets. */
async function cutFrom({ device }: World): Promise<string[]> {
  const reaches = async ({ target, port }: ProbeItem): Promise<boolean> =>
    (await (port === null ? device.ping(target) : device.tcp(target, port, { timeoutMs: 700 }))) === 'ok';
  const echoes = async (address: string) => (await device.udp(address, 5060, { timeoutMs: 700 })) === 'ok';
  const found = await Promise.all([
    ...Object.entries(targets).map(async ([name, item]) => ((await reaches(item)) ? [] : [name])),
    ...Object.entries(datagrams).map(async ([name, address]) => ((await echoes(address)) ? [] : [name])),
  ]);
  return found.flat();
}

async function failures(made: World): Promise<string[]> {
  return (await made.controller.heard()).flatMap((message) => (message.type === 'failed' ? [message.message] : []));
}

/** Returns the targets that the agent last reported as unreachable from its host. */
async function unreachableOf(made: World): Promise<string[]> {
  const results = (await made.controller.heard()).flatMap((message) =>
    message.type === 'noticed' ? message.probes : [],
  );
  const last = new Map(results.map(({ id, reachable }) => [id, reachable]));
  return Object.keys(targets).filter((id) => last.get(id) === false);
}

const same = (a: readonly string[], b: readonly string[]): boolean => a.join() === b.join();

const newFailures = async (made: World, before: number): Promise<string[]> => (await failures(made)).slice(before);

/** Waits until the agent has sent more probes than fit into one round, so that one round has begun after the call. */
async function measured(made: World): Promise<void> {
  const probes = async (): Promise<number> => {
    const text = await made.gateway.exec('nft', 'list', 'counter', 'inet', `sallyport_${made.interface}`, 'probes');
    return Number(/packets (\d+)/.exec(text)?.[1] ?? 0);
  };
  const before = await probes();
  await until('probes', async () => {
    // Each change of rules starts another round.
    await made.gateway.nft('add table inet other; delete table inet other');
    return (await probes()) > before + packetsOfRound;
  });
}

/** Packets per target: a question, an answer and a reset. */
const packetsOfRound = Object.keys(targets).length * 3;

function removal(rules: string): string {
  return [...rules.matchAll(/^table (\S+) (\S+)/gm)]
    .map(([, family, name]) => `delete table ${family} ${name}`)
    .join('\n');
}
