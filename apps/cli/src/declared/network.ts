import {
  accessType,
  dnsServerText,
  type Gateway,
  gatewayIntent,
  loadBalancingMode,
  type NetworkProtocol,
  type Protocol,
  type Resource,
  readDnsServers,
} from '@sallyport/contract';
import { canonicalName } from '@sallyport/contract/host-name';
import { canonicalPrefix } from '@sallyport/ip';
import {
  defaults,
  flag,
  labels,
  list,
  Misfit,
  oneOf,
  orNull,
  port,
  record,
  ref,
  refs,
  required,
  type Shape,
  text,
  texts,
  wholeNumber,
  within,
} from './fields.ts';
import {
  type Family,
  type GatewayItem,
  type Live,
  type ProtocolItem,
  type Request,
  type ResourceItem,
  request,
  touches,
} from './items.ts';

/** Relay ports of a gateway that names none. */
const DEFAULT_RELAY_PORTS = '52000-52999';

/** Resolvers as people write them. Their order counts: the first one that answers decides. */
const dnsServers: Shape<string[]> = {
  ...texts,
  canonical: (value) => value.flatMap(readDnsServers).map(dnsServerText),
};

/** The label of a network; letter case does not count. */
const networkLabel: Shape<string> = { ...text, canonical: (value) => value.toLowerCase() };

/** Reads and writes gateways. */
export const gatewayFamily: Family<GatewayItem> = {
  word: 'gateway',
  fields: {
    name: required(text),
    description: defaults(text, ''),
    port: defaults(port, '51820'),
    endpoint: defaults(orNull(text), null),
    masquerade: defaults(flag, true),
    intent: defaults(oneOf(gatewayIntent.options), 'ACTIVE'),
    relay: defaults(flag, false),
    relayPorts: defaults(text, DEFAULT_RELAY_PORTS),
    mtu: defaults(orNull(wholeNumber), null),
    dnsServers: defaults(dnsServers, []),
    network: defaults(orNull(networkLabel), null),
    labels: defaults(labels, []),
  },
  fixed: [],
  showsBuiltIn: false,
  nameOf: ({ name }) => name,
  keyOf: ({ name }) => name,
  read: async (api, id) => {
    const { body, etag } = await api.call('getGateway', { params: { id } });
    return { live: liveGateway(body), etag };
  },
  create: (item) => request('createGateway', { body: gatewayBody(item) }),
  finish: (id, item) => [...(item.intent === 'ACTIVE' ? [] : [updateGateway(id, item)]), ...relay(id, item, false)],
  change: (id, before, after, changed) => [
    ...(touches(
      changed,
      'name',
      'description',
      'port',
      'endpoint',
      'masquerade',
      'intent',
      'relayPorts',
      'mtu',
      'dnsServers',
      'network',
      'labels',
    )
      ? [updateGateway(id, after)]
      : []),
    ...relay(id, after, before.relay),
  ],
  remove: (id) => request('deleteGateway', { params: { id } }),
};

/** Converts a gateway of the API. */
export function liveGateway(g: Gateway): Live<GatewayItem> {
  const { id, name, description = '', wireguardPort, endpoint = null, masquerade = true, intent = 'ACTIVE' } = g;
  const { relayEnabled: relay = false, relayPorts = DEFAULT_RELAY_PORTS, mtu = null, network = null } = g;
  const own = { name, description, port: wireguardPort, endpoint, masquerade, intent, relay, relayPorts, mtu, network };
  const lists = { dnsServers: (g.dnsServers ?? []).map(dnsServerText), labels: g.labels ?? [] };
  return { id, item: { ...own, ...lists }, builtIn: false };
}

function gatewayBody({ port: wireguardPort, intent: _, relay: __, description, dnsServers, ...item }: GatewayItem) {
  return { ...item, description: description || null, wireguardPort, dnsServers: dnsServers.flatMap(readDnsServers) };
}

const updateGateway = (id: string, item: GatewayItem): Request =>
  request('updateGateway', { params: { id }, body: { ...gatewayBody(item), intent: item.intent } });

function relay(id: string, after: GatewayItem, before: boolean): Request[] {
  if (after.relay === before) return [];
  return [request(after.relay ? 'enableRelay' : 'disableRelay', { params: { id } })];
}

/** Reads and writes protocols. */
export const protocolFamily: Family<ProtocolItem> = {
  word: 'protocol',
  fields: {
    name: required(text),
    ports: required({ ...texts, read: (value) => list(value, (entry) => portText(parsePort(text.read(entry)))) }),
  },
  fixed: ['ports'],
  showsBuiltIn: false,
  nameOf: ({ name }) => name,
  keyOf: ({ name }) => name,
  read: async (api, id) => {
    const { body, etag } = await api.call('getProtocol', { params: { id } });
    return { live: liveProtocol(body), etag };
  },
  create: ({ name, ports }) =>
    request('createProtocol', { body: { name, networkProtocols: ports.map((entry) => parsePort(entry)) } }),
  finish: () => [],
  change: () => [],
  remove: (id) => request('deleteProtocol', { params: { id } }),
};

/** Converts a protocol of the API. */
export function liveProtocol({ id, name, networkProtocols, type }: Protocol): Live<ProtocolItem> {
  return { id, item: { name, ports: networkProtocols.map(portText) }, builtIn: type !== 'CUSTOM' };
}

const portText = (entry: Protocol['networkProtocols'][number]): string =>
  entry.port === undefined ? entry.protocol : `${entry.protocol} ${entry.port}`;

function parsePort(entry: string): NetworkProtocol {
  const [, protocol, range] = /^(TCP|UDP) +([0-9]+(?:-[0-9]+)?)$/i.exec(entry.trim()) ?? [];
  if (/^icmp$/i.test(entry.trim())) return { protocol: 'ICMP' };
  if (protocol === undefined || range === undefined)
    throw new Misfit(`must look like TCP 443, UDP 5000-5100 or ICMP, not ${JSON.stringify(entry)}`);
  return { protocol: protocol.toUpperCase() === 'TCP' ? 'TCP' : 'UDP', port: range };
}

type Addresses = ResourceItem['addresses'];
const protocolRef = ref('protocols');

/** Reads and writes resources. */
export const resourceFamily: Family<ResourceItem> = {
  word: 'resource',
  fields: {
    name: required(text),
    type: defaults(oneOf(accessType.options), 'PRIVATE'),
    description: defaults(text, ''),
    addresses: required<Addresses>({
      read: (value) => list(value, readAddress),
      refs: (value, map) =>
        value.map(({ address, protocols }) => ({
          address,
          protocols: protocols.map((entry) => protocolRef.refs?.(entry, map) ?? entry),
        })),
      canonical: (value) =>
        value
          .map(
            ({ address, protocols }) =>
              [canonicalPrefix(address) ?? canonicalName(address), protocols.toSorted()] as const,
          )
          .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
    }),
    mode: defaults(oneOf(loadBalancingMode.options), 'MANUAL'),
    gateways: defaults(refs('gateways', { ordered: true }), []),
    labels: defaults(labels, []),
  },
  fixed: ['type'],
  showsBuiltIn: false,
  nameOf: ({ name }) => name,
  keyOf: ({ name }) => name,
  read: async (api, id) => {
    const { body, etag } = await api.call('getResource', { params: { id } });
    return { live: liveResource(body), etag };
  },
  create: (item) => request('createResource', { body: { ...resourceBody(item), type: item.type } }),
  finish: (id, item) => (item.mode === 'MANUAL' && item.gateways.length === 0 ? [] : [attach(id, item)]),
  change: (id, _, after, changed) => [
    ...(touches(changed, 'name', 'description', 'addresses', 'labels')
      ? [request('updateResource', { params: { id }, body: resourceBody(after) })]
      : []),
    ...(touches(changed, 'mode', 'gateways') ? [attach(id, after)] : []),
  ],
  remove: (id) => request('deleteResource', { params: { id } }),
};

/** Converts a resource of the API. */
export function liveResource(r: Resource): Live<ResourceItem> {
  const addresses = r.addresses.map(({ address, protocols }) => ({ address, protocols: protocols.map((p) => p.id) }));
  const gateways = r.gateways.map(({ id }) => id);
  const { name, type, description = '', loadBalancingMode: mode, labels = [] } = r;
  return { id: r.id, item: { name, type, description, addresses, mode, gateways, labels }, builtIn: false };
}

function readAddress(value: unknown): Addresses[number] {
  const { address, protocols } = record(value, ['address', 'protocols']);
  return {
    address: within('address', () => text.read(address)),
    protocols: within('protocols', () => texts.read(protocols)),
  };
}

const resourceBody = ({ name, description, addresses, labels }: ResourceItem) => ({
  name,
  labels,
  description: description || null,
  addresses: addresses.map(({ address, protocols }) => ({ address, protocols })),
});

const attach = (id: string, { mode, gateways }: ResourceItem): Request =>
  request('saveLoadBalancing', { params: { id }, body: { loadBalancingMode: mode, gateways } });
