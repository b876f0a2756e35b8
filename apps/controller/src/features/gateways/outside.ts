import { parseEndpoint } from '@sallyport/contract';
import { parseAddress } from '@sallyport/ip';
import { type HandshakeProbeFailure, type HandshakeProbeResult, probeHandshake } from '@sallyport/wireguard';
import { Egress } from '../../egress/egress.ts';
import { type EgressSettings, isOwnAddress } from '../../egress/targets.ts';
import { endpointWithPort } from '../../endpoints.ts';
import { isLoopback } from '../../host-address.ts';
import type { GatewayRow } from '../../objects/gateways/store.ts';
import { type Finding, found, wrong } from './findings.ts';
import { pathMtu } from './path-mtu.ts';

/** How a gateway is checked from outside. Tests replace parts of it. */
export interface Outside {
  /** Private key of the controller's that gateways know, base64. */
  readonly probeKey: string;
  readonly probe: typeof probeHandshake;
  readonly egress: Pick<Egress, 'target'>;
  readonly pathMtu: typeof pathMtu;
  /** Whether the tenant sees addresses that names resolved to, the controller's own, and why a knock failed. */
  readonly details: boolean;
  /** Waits this many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Returns the checks of a gateway from outside. */
export const outsideWith = (probeKey: string, settings: EgressSettings): Outside => ({
  probeKey,
  probe: probeHandshake,
  egress: new Egress(settings),
  pathMtu,
  details: settings.details,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});

/**
 * Whether the endpoint leads to the gateway's WireGuard, as seen from the controller, and carries full packets of this MTU.
 * Without details a tenant learns whether its own gateway answers, and nothing else about the network of the controller:
 * every failure says the same after the same time.
 */
export async function knockFromOutside(outside: Outside, row: GatewayRow, mtu: number): Promise<Finding[]> {
  const endpoint = row.endpoint ?? row.discovered_endpoint;
  const place = endpoint === null ? null : endpointWithPort(endpoint, row.wireguard_port);
  if (place === null) return [noEndpoint(row)];
  const way = { outside, row, place };
  if (row.wireguard_key === null)
    return [
      ...(await beforeDeployment(way)),
      found('Not known before the gateway is deployed: whether its WireGuard port answers, and the MTU.'),
    ];
  const result = await knock(outside, row, row.wireguard_key, place, mtu);
  const named = row.endpoint === null ? discovered(row, place) : given(way, result.address);
  if (result.ok) return [named, answered(way, result), await measured(outside, row, row.wireguard_key, result, mtu)];
  if (outside.details && result.code !== undefined) return [unresolved(hostOf(place), result.code)];
  return [named, await unanswered(way, row.wireguard_key, result.reason)];
}

/** One probe of a gateway's endpoint. */
interface Way {
  readonly outside: Outside;
  readonly row: GatewayRow;
  readonly place: string;
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

const given = ({ outside, place }: Way, address: string | null): Finding => {
  const host = hostOf(place);
  const is = outside.details && address !== null && address !== host ? `; ${host} is ${address}` : '';
  return found(`Endpoint: ${place}, as given${is}.`);
};

/** Needs details, because tenants may not learn which names resolve in the controller's network. */
async function beforeDeployment(way: Way): Promise<Finding[]> {
  const { outside, row, place } = way;
  if (row.endpoint === null) return [discovered(row, place)];
  if (!outside.details) return [given(way, null)];
  const target = await outside.egress.target(hostOf(place), 'knock', { timeoutMs: handshakeTimeoutMs });
  if (target.ok) return [given(way, target.address)];
  return target.reason === 'unresolved' ? [unresolved(hostOf(place), target.code)] : [given(way, null)];
}

const hostOf = (place: string): string => parseEndpoint(place)?.host ?? place;

const unresolved = (host: string, code: string): Finding =>
  wrong(
    `Endpoint: the name ${host} has no address (${code}), so the WireGuard port was not probed.`,
    `The name ${host} cannot be resolved (${code}): correct it in DNS, or give the gateway another endpoint.`,
  );

/** The result of a probe. `address`: its target; `code`: the failure of the resolver. */
type Knock =
  | (Extract<HandshakeProbeResult, { ok: true }> & { readonly address: string })
  | {
      readonly ok: false;
      readonly reason: HandshakeProbeFailure | 'forbidden';
      readonly address: string | null;
      readonly code?: string;
    };

/** Reports a failure only when the time is up, so that its duration reveals nothing. */
async function knock(
  outside: Outside,
  row: GatewayRow,
  publicKey: string,
  place: string,
  bytes: number | null,
): Promise<Knock> {
  const until = performance.now() + handshakeTimeoutMs;
  const result = await knockNow(outside, row, publicKey, place, bytes, until);
  if (!result.ok) await outside.pause(Math.max(0, until - performance.now()));
  return result;
}

async function knockNow(
  outside: Outside,
  row: GatewayRow,
  publicKey: string,
  place: string,
  bytes: number | null,
  until: number,
): Promise<Knock> {
  const { host = '', port } = parseEndpoint(place) ?? {};
  const options = { timeoutMs: handshakeTimeoutMs, ofThisMachine: runsHere(row) };
  const target = await outside.egress.target(host, 'knock', options);
  if (!target.ok) return { ...target, address: null };
  const { address } = target;
  const result = await outside.probe({
    endpoint: { host: address, port: port ?? 0 },
    privateKey: outside.probeKey,
    publicKey,
    timeoutMs: Math.max(1, until - performance.now()),
    ...(bytes === null ? {} : { padding: { bytes, timeoutMs: acknowledgeTimeoutMs } }),
  });
  return { ...result, address };
}

/**
 * Returns whether the gateway's agent is on this machine: its channel then comes over loopback with our name or
 * address.
 */
function runsHere({ discovered_endpoint }: GatewayRow): boolean {
  const host = discovered_endpoint === null ? null : (parseEndpoint(discovered_endpoint)?.host ?? null);
  return host !== null && (parseAddress(host) === null || isLoopback(host) || isOwnAddress(host));
}

type Answered = Extract<Knock, { ok: true }>;

const answered = ({ outside, place }: Way, { rttMs, from }: Answered): Finding =>
  found(
    `WireGuard: answers a handshake at ${place} in ${Math.ceil(rttMs)} ms, knocked at from ${outside.details ? `${from} in ` : ''}the controller's own network; other networks may see it otherwise.`,
  );

/** A discovered endpoint may be closed to unexpected peers, because NATs open only from inside. */
async function unanswered(
  { outside, row, place }: Way,
  publicKey: string,
  reason: HandshakeProbeFailure | 'forbidden',
): Promise<Finding> {
  const what = reasons[outside.details ? reason : 'no-answer'];
  const sentence = `WireGuard: ${what} at ${place}, knocked at from the controller's own network.`;
  if (row.endpoint === null && row.mapping_independent === 1)
    return found(
      `${sentence} A NAT or firewall keeps strangers out there; native devices get in because both sides send, plain ones need an endpoint that is open.`,
    );
  const other = row.discovered_endpoint;
  const elsewhere =
    row.endpoint !== null && other !== null && other !== place && (await knock(outside, row, publicKey, other, null)).ok
      ? ` It does answer at ${other}.`
      : '';
  return wrong(sentence + elsewhere, `${advice(row, place, what)}${elsewhere}`);
}

const advice = ({ wireguard_port }: GatewayRow, place: string, what: string): string =>
  `WireGuard ${what} at ${place}: check that this leads to the gateway, open that UDP port in every firewall on the way, and let port forwarding lead to UDP ${wireguard_port} of the gateway.`;

const reasons: Readonly<Record<HandshakeProbeFailure | 'forbidden', string>> = {
  forbidden: 'may not be knocked at (SALLYPORT_EGRESS_ALLOW)',
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
  row: GatewayRow,
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
      `Packets of ${size} bytes do not fit the way to the gateway: set its MTU, or the tenant's, to ${known - overhead} or less.`,
    );
  if (acknowledged) return found(`MTU: a full packet (${size} bytes, ${mtu} in the tunnel) arrives at the gateway.`);
  const small = await knock(outside, row, publicKey, to, 16);
  if (!small.ok || !small.acknowledged)
    return found('MTU: not known, because the gateway acknowledges no packet of any size.');
  return wrong(
    `MTU: a small packet arrives at the gateway, a full one (${size} bytes) does not.`,
    `Packets of ${size} bytes are lost on the path to the gateway: set its MTU, or the tenant's, lower than ${mtu}.`,
  );
}
