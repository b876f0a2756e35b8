import type { ClientStatus, Netcheck, PingReply } from '@sallyport/contract/local';
import { natText } from '@sallyport/contract/nat-text';
import { clean } from '@sallyport/contract/text';

/** Texts of the commands for people. */

/** Formats one line for each resource, with the gateway that carries it. */
export function reachableText(status: ClientStatus): string {
  const names = new Map(status.gateways.map((gateway) => [gateway.id, gateway]));
  const lines = status.resources.map((resource) => {
    if (resource.denied !== null) return `  ${resource.name}: denied, ${resource.denied}`;
    const carriers = status.routes
      .filter(({ prefix }) => resource.routes.includes(prefix))
      .map(({ carrier }) => (carrier === null ? undefined : names.get(carrier)));
    const [first] = carriers.filter((gateway) => gateway !== undefined);
    return `  ${resource.name}: ${first === undefined ? 'no gateway carries it now' : wayText(first)}`;
  });
  const full = status.routes.filter(({ prefix }) => prefix === '0.0.0.0/0' || prefix === '::/0');
  if (full.length > 0)
    lines.push(`  everything else: through the tunnel (${full.map(({ prefix }) => prefix).join(', ')})`);
  return lines.length === 0
    ? 'This device is not allowed to reach anything yet.\n'
    : `${lines.map(clean).join('\n')}\n`;
}

function wayText({ name, path, relay, rttMs }: ClientStatus['gateways'][number]): string {
  const time = rttMs === null ? '' : `, ${rttMs} ms`;
  if (path === 'direct') return `through ${name}, direct${time}`;
  if (path === 'relayed') return `through ${name}, relayed by ${relay?.name ?? 'another gateway'}${time}`;
  return `${name} does not answer (${path})`;
}

/** Describes the current step of connecting. */
export function progressText(status: ClientStatus | null): string {
  if (status === null) return 'starting';
  if (status.error !== null) return status.error.message;
  if (!status.enrolled) return `enrolling at ${status.controller.url}`;
  if (status.revision === null && !status.controller.connected) return `connecting to ${status.controller.url}`;
  if (!status.current) return 'setting up the tunnel';
  return 'looking for a path to the gateways';
}

/** Formats the reply to one ping. */
export function pingText(reply: PingReply): string {
  return `${clean(pingLine(reply))}\n`;
}

function pingLine(reply: PingReply): string {
  const { target, address, gateway, path, relay, gatewayRttMs, rttMs, detail } = reply;
  const name = address === null || address === target ? target : `${target} (${address})`;
  const time = (ms: number | null) => (ms === null ? 'no answer' : `${ms} ms`);
  if (path === 'local') return `${name} is outside of the tunnel: ${time(rttMs)}, ${detail}`;
  if (gateway === null) return `${name}: no gateway carries it now; ${detail}`;
  const way = path === 'relayed' ? `relayed by ${relay?.name ?? 'another gateway'}` : (path ?? 'unknown');
  const same = target === gateway.name || target === gateway.id || (rttMs === null && detail.startsWith('the gateway'));
  return same
    ? `${name}, ${way}: ${time(gatewayRttMs)}`
    : `${name} through ${gateway.name}, ${way}: gateway ${time(gatewayRttMs)}, target ${time(rttMs)} (${detail})`;
}

function pathMtuText(name: string, carries: number | null, mtu: number | null): string {
  if (carries === null) return `${name}: unknown, because no echo came back (needs ping: apt-get install iputils-ping)`;
  return carries === mtu
    ? `${name}: full packets get through`
    : `${name}: carries packets of ${carries} bytes in the tunnel`;
}

/** Formats the result of a network check. */
export function netcheckText(check: Netcheck): string {
  const { controller, relays, uplink } = check;
  const skew = controller.clockSkewMs;
  const rows: [string, string][] = [
    [
      'controller',
      `${controller.url}: ${controller.rttMs === null ? '' : `${controller.rttMs} ms, `}${controller.detail}`,
    ],
    ['channel', controller.connected ? 'connected' : 'not connected'],
    [
      'clock',
      skew === null ? 'not compared' : skew === 0 ? 'agrees with the controller' : `${Math.round(skew / 1000)} s off`,
    ],
    ['NAT', natText(check.nat, controller.connected)],
    ['IPv4, IPv6', `${check.ipv4 ? 'yes' : 'no'}, ${check.ipv6 ? 'yes' : 'no'}`],
    [
      'uplink',
      uplink === null
        ? 'none'
        : `${uplink.interface}, MTU ${uplink.mtu}${uplink.source === null ? '' : `, ${uplink.source}`}`,
    ],
    ['tunnel MTU', check.tunnelMtu === null ? 'not known yet' : String(check.tunnelMtu)],
    ...(check.pathMtus ?? []).map(({ name, carries }): [string, string] => [
      'path MTU',
      pathMtuText(name, carries, check.tunnelMtu),
    ]),
    ['WireGuard', check.wireguard ?? 'not known yet'],
    ...check.beacons.map(({ endpoint, answers }): [string, string] => [
      'beacon',
      `${endpoint}: ${answers ? 'answers' : 'no answer'}`,
    ]),
    ...relays.map(({ name, gateway, endpoint, rttMs }): [string, string] => [
      'relay',
      `${name ?? gateway} at ${endpoint}: ${rttMs === null ? 'no answer' : `${rttMs} ms`}`,
    ]),
  ];
  const text = rows.map(([name, value]) => `${name.padEnd(12)} ${clean(value)}\n`).join('');
  return `${text}${check.advice.map((line) => `\n${clean(line)}\n`).join('')}`;
}
