import { hash } from 'node:crypto';
import type { PeerItem, StateItem } from './state.ts';

/**
 * Hash of a state: the sum modulo 2^256 of the SHA-256 of its items, so that a change costs what it touches and two
 * sides can compare states whatever the order. Expiry times and the successors of
 * cells are left out: they are renewed without being a change. So are targets of routes, which only advise, and whether
 * cells lead onward: their bundles say it.
 */
export class StateHash {
  #sum = 0n;

  static of(items: Iterable<StateItem>): StateHash {
    const sum = new StateHash();
    for (const item of items) sum.add(item);
    return sum;
  }

  add(item: StateItem): void {
    this.#sum = (this.#sum + itemHash(item)) & mask;
  }

  remove(item: StateItem): void {
    this.#sum = (this.#sum - itemHash(item)) & mask;
  }

  /** 64 hexadecimal digits. */
  toString(): string {
    return this.#sum.toString(16).padStart(64, '0');
  }
}

/** Hash of the empty state. */
export const emptyStateHash = '0'.repeat(64);

/** Short content hash for ids in compiled state: 128 bits, base64url. */
export function contentId(...parts: readonly string[]): string {
  const text = parts.map((part) => `${part.length}:${part}`).join('');
  return hash('sha256', text, 'buffer').subarray(0, 16).toString('base64url');
}

/** Id of the class of all public addresses that no resource names. */
export const publicClass = contentId('internet', '0.0.0.0/0');

const mask = (1n << 256n) - 1n;

function itemHash(item: StateItem): bigint {
  return BigInt(`0x${hash('sha256', itemText(item))}`);
}

/** Text that says everything of an item but its expiry, with lists whose order means nothing in sorted order. */
function itemText(item: StateItem): string {
  switch (item.kind) {
    case 'gateway': {
      const { listenPort, addresses, overlay, mtu, masquerade, intent, relayPorts } = item;
      return JSON.stringify([
        item.kind,
        listenPort,
        [...addresses].sort(),
        overlay.v4,
        overlay.v6,
        mtu,
        masquerade,
        intent,
        relayPorts && [relayPorts.from, relayPorts.to],
      ]);
    }
    case 'device':
      return JSON.stringify([
        item.kind,
        item.id,
        item.publicKey,
        [...item.addresses].sort(),
        item.profile,
        item.via,
        item.relay,
      ]);
    case 'client': {
      const { kind, addresses, overlay, mtu, localNetwork } = item;
      const text = [kind, [...addresses].sort(), overlay.v4, overlay.v6, mtu];
      return JSON.stringify(localNetwork === undefined ? text : [...text, localNetwork]);
    }
    case 'beacon':
      return JSON.stringify([item.kind, item.id, item.publicKey, item.endpoint]);
    case 'peer':
      return peerText(item);
    case 'route':
      return JSON.stringify([item.kind, item.id, item.mode, item.gateways, [...item.resources].sort()]);
    case 'resource':
      return JSON.stringify([item.kind, item.id, item.name, item.denied]);
    case 'relay-point':
      return JSON.stringify([item.kind, item.id, item.endpoint]);
    case 'relay':
      return JSON.stringify([
        item.kind,
        item.id,
        item.port,
        item.peers.map((p) => `${p.id} ${p.publicKey} ${p.endpoint}`).sort(),
        item.bytesPerSecond,
      ]);
    case 'egress':
      return JSON.stringify([item.kind, item.id, [...item.sources].sort(), [...item.destinations].sort()]);
    case 'site':
      return JSON.stringify([item.kind, item.id, [...item.prefixes].sort(), item.profile]);
    case 'class':
      return JSON.stringify([item.kind, item.id, [...item.ranges].sort()]);
    case 'bundle':
      return JSON.stringify([
        item.kind,
        item.id,
        item.grants.map((g) => [g.protocol, g.from, g.to, g.policy].join(' ')).sort(),
      ]);
    case 'profile':
      return JSON.stringify([item.kind, item.id, item.cells.map((c) => `${c.class} ${c.bundle}`).sort()]);
    case 'probe':
      return JSON.stringify([item.kind, item.id, item.resource, item.target, item.port]);
  }
}

/** Endpoints, relays and routes stand in order of preference, so their order counts. */
function peerText(item: PeerItem): string {
  const { kind, id, name, publicKey, addresses, endpoints, relays, sources, standing, unreachable } = item;
  return JSON.stringify([
    kind,
    id,
    name,
    publicKey,
    [...addresses].sort(),
    endpoints,
    relays.map(({ gateway, endpoint }) => `${gateway} ${endpoint}`),
    [...sources].sort(),
    standing,
    [...unreachable].sort(),
  ]);
}
