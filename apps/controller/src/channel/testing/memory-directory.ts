import type { AgentRole } from '@sallyport/contract/channel';
import type { AgentBook, AgentDirectory, AgentRecord, DeviceFacts, GatewayFacts } from '../types.ts';

type Row = { -readonly [K in keyof AgentRecord]: AgentRecord[K] };

/** A directory in memory that records everything it was told. */
export class MemoryDirectory implements AgentDirectory {
  readonly rows = new Map<string, Row | 'deleted'>();
  readonly secrets = new Map<string, string>();
  readonly deployments = new Map<string, number>();
  readonly facts = new Map<string, GatewayFacts>();
  readonly told = new Map<string, DeviceFacts>();
  /** Ids whose tokens have expired. */
  readonly expired = new Set<string>();
  readonly online = new Map<string, number>();
  readonly seen = new Map<string, number>();
  readonly sources = new Map<string, string>();
  /** WireGuard keys that devices have. */
  readonly deviceKeys = new Set<string>();
  /** Number of calls that write, by name. */
  readonly writes: Record<string, number> = {};
  /** When true, every call rejects. */
  broken = false;

  add(id: string, secret: string, role: AgentRole = 'gateway'): void {
    const keys = { identityKey: null, wireguardPublicKey: null };
    this.rows.set(id, { role, id, tenant: 'tenant-1', name: 'Site', ...keys });
    this.secrets.set(id, secret);
  }

  row(gateway: string): Row {
    const row = this.rows.get(gateway);
    if (row === undefined || row === 'deleted') throw new Error('no such agent');
    return row;
  }

  readonly agents: AgentDirectory['agents'] = { gateway: this.#book('gateway'), device: this.#book('device') };

  #book(role: AgentRole): AgentBook {
    const own = (id: string) => {
      const row = this.rows.get(id);
      return row !== undefined && row !== 'deleted' && row.role !== role ? undefined : row;
    };
    return {
      find: async (id) => {
        this.#check();
        const row = own(id);
        return row === undefined || row === 'deleted' ? (row ?? null) : { ...row };
      },
      enrol: async (id, secret, { identityKey, wireguardPublicKey }) => {
        this.#check('enrol');
        if (this.secrets.get(id) !== secret) return 'bad-token';
        const row = this.row(id);
        if (row.identityKey !== null) return 'already-enrolled';
        if (this.expired.has(id)) return 'expired-token';
        if (this.deviceKeys.has(wireguardPublicKey)) return 'key-taken';
        Object.assign(row, { identityKey, wireguardPublicKey });
        return 'enrolled';
      },
      wireguardKeyChanged: async (id, wireguardPublicKey) => {
        this.#check('wireguardKeyChanged');
        if (this.deviceKeys.has(wireguardPublicKey)) return 'key-taken';
        this.row(id).wireguardPublicKey = wireguardPublicKey;
        return 'changed';
      },
    };
  }

  async deployed(gateway: string, at: number): Promise<void> {
    this.#check('deployed');
    if (!this.deployments.has(gateway)) this.deployments.set(gateway, at);
  }

  async observed(gateway: string, facts: GatewayFacts): Promise<void> {
    this.#check('observed');
    this.facts.set(gateway, { ...this.facts.get(gateway), ...facts });
  }

  async deviceTold(device: string, facts: DeviceFacts): Promise<void> {
    this.#check('deviceTold');
    this.told.set(device, { ...this.told.get(device), ...facts });
  }

  async lastOnline(moments: ReadonlyMap<string, number>): Promise<void> {
    this.#check('lastOnline');
    for (const [gateway, at] of moments) this.online.set(gateway, at);
  }

  async deviceSeen(tenant: string, moments: ReadonlyMap<string, number>): Promise<void> {
    this.#check('deviceSeen');
    for (const [device, at] of moments) this.seen.set(`${tenant}/${device}`, at);
  }

  async deviceMoved(tenant: string, sources: ReadonlyMap<string, string>): Promise<void> {
    this.#check('deviceMoved');
    for (const [device, source] of sources) this.sources.set(`${tenant}/${device}`, source);
  }

  #check(write?: string): void {
    if (this.broken) throw new Error('the database is away');
    if (write !== undefined) this.writes[write] = (this.writes[write] ?? 0) + 1;
  }
}
