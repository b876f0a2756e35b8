import {
  type ClientItem,
  type DeviceItem,
  type GatewayItem,
  type PeerItem,
  StateHash,
  type StateItem,
} from '@sallyport/contract/channel';
import type { DesiredState, DesiredStates, StateChange } from '../types.ts';

interface Tracked {
  readonly items: Map<string, StateItem>;
  readonly hash: StateHash;
  readonly listeners: Set<(change: StateChange) => void>;
}

/** Desired states of one tenant's agents, in memory, that tests change at will. */
export class MemoryStates implements DesiredStates {
  epoch = 'epoch-1';
  number = 1;
  loads = 0;
  readonly #gateways = new Map<string, Tracked>();

  add(gateway: string, items: StateItem[] = [gatewayItem()]): void {
    const tracked = {
      items: new Map(items.map((i) => [i.key, i])),
      hash: StateHash.of(items),
      listeners: new Set<never>(),
    };
    this.#gateways.set(gateway, tracked);
  }

  hash(gateway: string): string {
    return this.#tracked(gateway).hash.toString();
  }

  listeners(gateway: string): number {
    return this.#tracked(gateway).listeners.size;
  }

  async current(gateway: string): Promise<DesiredState | null> {
    this.loads++;
    const tracked = this.#gateways.get(gateway);
    if (tracked === undefined) return null;
    const items = [...tracked.items.values()];
    return { revision: this.#revision(), hash: tracked.hash.toString(), items: () => items };
  }

  subscribe(gateway: string, listener: (change: StateChange) => void): () => void {
    const { listeners } = this.#tracked(gateway);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Commits a revision that touches one gateway. */
  change(gateway: string, upserts: StateItem[], removes: string[] = []): void {
    const tracked = this.#tracked(gateway);
    const from = tracked.hash.toString();
    for (const key of [...removes, ...upserts.map((item) => item.key)]) {
      const before = tracked.items.get(key);
      if (before !== undefined) tracked.hash.remove(before);
      tracked.items.delete(key);
    }
    for (const item of upserts) {
      tracked.items.set(item.key, item);
      tracked.hash.add(item);
    }
    this.number++;
    const to = tracked.hash.toString();
    const closes = removes.length > 0;
    this.emit(gateway, { kind: 'delta', revision: this.#revision(), from, to, delta: { upserts, removes }, closes });
  }

  /** Commits a revision that touches no gateway. */
  tick(): void {
    this.number++;
  }

  remove(gateway: string): void {
    const { listeners } = this.#tracked(gateway);
    this.#gateways.delete(gateway);
    for (const listener of [...listeners]) listener({ kind: 'deleted' });
  }

  emit(gateway: string, change: StateChange): void {
    for (const listener of [...this.#tracked(gateway).listeners]) listener(change);
  }

  #revision(): { epoch: string; number: number } {
    return { epoch: this.epoch, number: this.number };
  }

  #tracked(gateway: string): Tracked {
    const tracked = this.#gateways.get(gateway);
    if (tracked === undefined) throw new Error('no such gateway');
    return tracked;
  }
}

/** Returns the own item of a gateway. */
export function gatewayItem(change: Partial<GatewayItem> = {}): GatewayItem {
  return {
    kind: 'gateway',
    key: 'gateway',
    listenPort: 51820,
    addresses: ['100.64.0.1/32'],
    overlay: { v4: '100.64.0.0/10', v6: 'fd00::/48' },
    mtu: 1280,
    masquerade: true,
    intent: 'ACTIVE',
    drainUntil: null,
    relayPorts: null,
    ...change,
  };
}

/** Returns the item of a device, with a key made from its id. */
export function deviceItem(id: string, change: Partial<DeviceItem> = {}): DeviceItem {
  const publicKey = `${Buffer.from(id.padEnd(32, '.').slice(0, 32)).toString('base64')}`;
  const item = {
    kind: 'device',
    key: `device/${id}`,
    id,
    publicKey,
    profile: null,
    expiresAt: null,
    via: null,
    relay: null,
  } as const;
  return { ...item, addresses: ['100.64.0.9'], ...change };
}

/** Returns the own item of a device. */
export function clientItem(): ClientItem {
  const overlay = { v4: '100.64.0.0/10', v6: 'fd00::/48' };
  return { kind: 'client', key: 'client', addresses: ['100.64.0.9/32'], overlay, mtu: 1280 };
}

/** Returns the item of a peer, with a key made from its id. */
export function peerItem(id: string): PeerItem {
  const publicKey = `${Buffer.from(id.padEnd(32, '.').slice(0, 32)).toString('base64')}`;
  const nothing = { endpoints: [], relays: [], sources: [], unreachable: [], expiresAt: null };
  const named = { kind: 'peer', key: `peer/${id}`, id, name: 'Site', publicKey } as const;
  return { ...named, addresses: ['100.64.0.1'], standing: 'ACTIVE', ...nothing };
}
