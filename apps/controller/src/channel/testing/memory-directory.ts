import type { EnrolOutcome, GatewayDirectory, GatewayRecord } from '../types.ts';

type Row = { -readonly [K in keyof GatewayRecord]: GatewayRecord[K] };

/** The directory that the channel asks for, in memory, with what it was told. */
export class MemoryDirectory implements GatewayDirectory {
  readonly rows = new Map<string, Row | 'deleted'>();
  readonly secrets = new Map<string, string>();
  readonly deployments = new Map<string, number>();
  readonly facts = new Map<string, { error?: string | null; discoveredEndpoint?: string | null }>();
  readonly online = new Map<string, number>();
  readonly seen = new Map<string, number>();
  readonly sources = new Map<string, string>();
  /** WireGuard keys that devices have. */
  readonly deviceKeys = new Set<string>();
  /** Number of calls that write, by name. */
  readonly writes: Record<string, number> = {};
  /** Set: every call rejects. */
  broken = false;

  add(gateway: string, secret: string, tenant = 'tenant-1'): void {
    const keys = { identityKey: null, wireguardPublicKey: null };
    this.rows.set(gateway, { id: gateway, tenant, name: 'Site', intent: 'ACTIVE', wireguardPort: 51820, ...keys });
    this.secrets.set(gateway, secret);
  }

  row(gateway: string): Row {
    const row = this.rows.get(gateway);
    if (row === undefined || row === 'deleted') throw new Error('no such gateway');
    return row;
  }

  async find(gateway: string): Promise<GatewayRecord | 'deleted' | null> {
    this.#check();
    const row = this.rows.get(gateway);
    return row === undefined || row === 'deleted' ? (row ?? null) : { ...row };
  }

  async enrol(
    gateway: string,
    secret: string,
    keys: { identityKey: string; wireguardPublicKey: string },
  ): Promise<EnrolOutcome> {
    this.#check('enrol');
    if (this.secrets.get(gateway) !== secret) return 'bad-token';
    const row = this.row(gateway);
    if (row.identityKey !== null) return 'already-enrolled';
    if (this.deviceKeys.has(keys.wireguardPublicKey)) return 'key-taken';
    Object.assign(row, keys);
    return 'enrolled';
  }

  async wireguardKeyChanged(gateway: string, wireguardPublicKey: string): Promise<'changed' | 'key-taken'> {
    this.#check('wireguardKeyChanged');
    if (this.deviceKeys.has(wireguardPublicKey)) return 'key-taken';
    this.row(gateway).wireguardPublicKey = wireguardPublicKey;
    return 'changed';
  }

  async deployed(gateway: string, at: number): Promise<void> {
    this.#check('deployed');
    if (!this.deployments.has(gateway)) this.deployments.set(gateway, at);
  }

  async observed(gateway: string, facts: { error?: string | null; discoveredEndpoint?: string | null }): Promise<void> {
    this.#check('observed');
    this.facts.set(gateway, { ...this.facts.get(gateway), ...facts });
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
