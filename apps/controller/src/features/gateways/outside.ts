import { lookup } from 'node:dns/promises';
import { isIpText, parseEndpoint } from '@sallyport/contract';
import { type HandshakeProbeFailure, type HandshakeProbeResult, probeHandshake } from '@sallyport/wireguard';
import { endpointWithPort } from '../../endpoints.ts';
import { type Finding, found, wrong } from './findings.ts';
import { pathMtu } from './path-mtu.ts';
import type { GatewayRow } from './store.ts';

/** How a gateway is knocked at; parts that tests replace. */
export interface Outside {
  /** Private key of the controller's that gateways know, base64. */
  readonly probeKey: string;
  readonly probe: typeof probeHandshake;
  readonly addresses: (name: string) => Promise<string[]>;
  readonly pathMtu: typeof pathMtu;
}

export const outsideWith = (probeKey: string): Outside => ({
  probeKey,
  probe: probeHandshake,
  addresses: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  pathMtu,
});

/** Whether the endpoint leads to the gateway's WireGuard, as seen from the controller, and carries full packets of this MTU. */
export async function knockFromOutside(outside: Outside, row: GatewayRow, mtu: number): Promise<Finding[]> {
  const endpoint = row.endpoint ?? row.discovered_endpoint;
  const place = endpoint === null ? null : endpointWithPort(endpoint, row.wireguard_port);
  if (place === null) return [noEndpoint(row)];
  const resolved = row.endpoint === null ? [discovered(row, place)] : await given(outside, place);
  if (resolved.some(({ error }) => error !== undefined)) return resolved;
  if (row.wireguard_key === null)
    return [
      ...resolved,
      found('Not known before the gateway is deployed: whether its WireGuard port answers, and the MTU.'),
    ];
  const result = await knock(outside, row.wireguard_key, place, mtu);
  if (!result.ok) return [...resolved, await unanswered(outside, row, row.wireguard_key, place, result.reason)];
  return [...resolved, answered(place, result), await measured(outside, row.wireguard_key, result, mtu)];
}

const handshakeTimeoutMs = 4_000;
/** WireGuard acknowledges data after ten seconds in which it had nothing to send. */
const acknowledgeTimeoutMs = 11_500;

function noEndpoint(row: GatewayRow): Finding {
  if (row.mapping_independent === 0)
    return found(
      'Endpoint: none, because the NAT in front of the gateway shows each peer another address. Devices reach it through relays; plain ones need an endpoint that leads to it.',
    );
  return found('Endpoint: none is given, and none is discovered before the gateway is connected.');
}

function discovered(row: GatewayRow, place: string): Finding {
  const by = row.mapping_independent === 1 ? 'as the beacon sees the gateway' : 'where its channel comes from';
  return found(`Endpoint: none given; discovered ${place}, ${by}.`);
}

async function given({ addresses }: Outside, place: string): Promise<Finding[]> {
  const host = parseEndpoint(place)?.host ?? place;
  if (isIpText(host)) return [found(`Endpoint: ${place}, as given.`)];
  try {
    const known = await withTimeout(addresses(host));
    if (known.length > 0) return [found(`Endpoint: ${place}, as given; ${host} is ${known.join(', ')}.`)];
    return [unresolved(host, 'no address')];
  } catch (error) {
    return [unresolved(host, (error as NodeJS.ErrnoException).code ?? 'timeout')];
  }
}

const unresolved = (host: string, code: string): Finding =>
  wrong(
    `Endpoint: the name ${host} has no address (${code}), so the WireGuard port was not probed.`,
    `The name ${host} cannot be resolved (${code}): correct it in DNS, or give the gateway another endpoint.`,
  );

async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('too late')), handshakeTimeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function knock(
  outside: Outside,
  publicKey: string,
  place: string,
  bytes: number | null,
): Promise<HandshakeProbeResult> {
  const { host = '', port } = parseEndpoint(place) ?? {};
  return outside.probe({
    endpoint: { host, port: port ?? 0 },
    privateKey: outside.probeKey,
    publicKey,
    timeoutMs: handshakeTimeoutMs,
    ...(bytes === null ? {} : { padding: { bytes, timeoutMs: acknowledgeTimeoutMs } }),
  });
}

type Answered = Extract<HandshakeProbeResult, { ok: true }>;

const answered = (place: string, { rttMs, from }: Answered): Finding =>
  found(
    `WireGuard: answers a handshake at ${place} in ${Math.ceil(rttMs)} ms, knocked at from ${from} in the controller's own network; other networks may see it otherwise.`,
  );

/** An endpoint that was only discovered may be closed to who is not expected: NATs are opened from both sides. */
async function unanswered(
  outside: Outside,
  row: GatewayRow,
  publicKey: string,
  place: string,
  reason: HandshakeProbeFailure,
): Promise<Finding> {
  const sentence = `WireGuard: ${reasons[reason]} at ${place}, knocked at from the controller's own network.`;
  if (row.endpoint === null && row.mapping_independent === 1)
    return found(
      `${sentence} A NAT or firewall keeps strangers out there; native devices get in because both sides send, plain ones need an endpoint that is open.`,
    );
  const other = row.discovered_endpoint;
  const elsewhere =
    row.endpoint !== null && other !== null && other !== place && (await knock(outside, publicKey, other, null)).ok
      ? ` It does answer at ${other}.`
      : '';
  return wrong(
    sentence + elsewhere,
    `WireGuard ${reasons[reason]} at ${place}: open that UDP port in every firewall on the way, and let port forwarding lead to UDP ${row.wireguard_port} of the gateway.${elsewhere}`,
  );
}

const reasons: Readonly<Record<HandshakeProbeFailure, string>> = {
  'no-answer': 'does not answer',
  refused: 'does not listen (the port is closed)',
  unreachable: 'cannot be reached (no route)',
  unresolved: 'has no address',
  'bad-answer': 'is not what answers',
  cancelled: 'was not waited for',
};

/** Sent once, unfragmented: did it arrive, and has a router said meanwhile that it is too long? */
async function measured(
  outside: Outside,
  publicKey: string,
  { to, acknowledged }: Answered,
  mtu: number,
): Promise<Finding> {
  const host = parseEndpoint(to)?.host ?? to;
  const overhead = host.includes(':') ? 80 : 60;
  const size = mtu + overhead;
  const known = await outside.pathMtu(host);
  if (known !== null && known < size)
    return wrong(
      `MTU: the way to the gateway carries packets of ${known} bytes, full ones have ${size}.`,
      `Packets of ${size} bytes do not fit the way to the gateway: set the tenant's MTU to ${known - overhead} or less.`,
    );
  if (acknowledged) return found(`MTU: a full packet (${size} bytes, ${mtu} in the tunnel) arrives at the gateway.`);
  const small = await knock(outside, publicKey, to, 16);
  if (!small.ok || !small.acknowledged)
    return found('MTU: not known, because the gateway acknowledges no packet of any size.');
  return wrong(
    `MTU: a small packet arrives at the gateway, a full one (${size} bytes) does not.`,
    `Packets of ${size} bytes get lost on the way to the gateway: set the tenant's MTU lower than ${mtu}.`,
  );
}
