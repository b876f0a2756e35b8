import { randomUUID } from 'node:crypto';
import type { UpgradeState } from '@sallyport/contract';
import type { Upgrading } from '@sallyport/contract/channel';
import { isOutdated } from '../../../channel/outdated.ts';
import type { AgentRef, Channel } from '../../../channel/types.ts';
import { byAgent, bySystem } from '../../../db/contexts.ts';
import { type Scoped, scoped, unscoped } from '../../../db/scoped.ts';
import type { Store, Tx } from '../../../db/store.ts';
import { ApiError, notFound } from '../../../errors.ts';
import type { InstallOffer } from '../../../http/packages/offer.ts';
import { findGateway, type GatewayRow, updateGateway } from '../../../objects/gateways/store.ts';
import { type UpgradeRecord, upgradeColumns, upgradeOf } from '../../../objects/gateways/upgrade.ts';
import { isBadEnd, mayFollow, nextStep, type OpenUpgrade, type Situation, type Step } from './next.ts';

/** What upgrades of gateways need. */
export interface UpgradeDeps {
  readonly store: Store;
  readonly channel: Pick<Channel, 'presence' | 'onPresence' | 'askUpgrade' | 'onUpgrading'>;
  readonly offer: InstallOffer;
  /** Version of this controller, which is the one that it offers. */
  readonly version: string;
  readonly log: {
    readonly warn: (facts: object, text: string) => void;
    readonly info: (facts: object, text: string) => void;
  };
}

type EndState = 'DONE' | 'RETURNED' | 'FAILED' | 'STOPPED' | 'CANCELLED';

/**
 * Upgrades of gateways that their hosts allow. The database holds the state of each, so that a restart of the controller
 * loses nothing: agents are asked again with the same request, and say how it stands.
 */
export class GatewayUpgrades {
  /** Upgrades that ended in this process, by final state. */
  readonly ended: Record<EndState, number> = {
    DONE: 0,
    RETURNED: 0,
    FAILED: 0,
    STOPPED: 0,
    CANCELLED: 0,
  };
  readonly #deps: UpgradeDeps;
  /** Tenants with open upgrades, as far as this process knows. */
  readonly #tenants = new Map<string, Set<string>>();
  /** Work of one tenant runs one after the other. */
  readonly #working = new Map<string, Promise<void>>();
  /** Tenants with a request that may have been committed. */
  readonly #requested = new Set<string>();
  readonly #unsubscribe: readonly (() => void)[];
  #stopped = false;

  constructor(deps: UpgradeDeps) {
    this.#deps = deps;
    const { channel, store } = deps;
    store.onCommit(({ tenant }) => {
      if (this.#requested.delete(tenant)) this.#begin(tenant);
    });
    // Requests look at what the last look found.
    void deps.offer.look().catch(() => undefined);
    this.#unsubscribe = [
      channel.onUpgrading((agent, progress) => this.#run(agent.tenant, () => this.#reported(agent, progress))),
      channel.onPresence((agent) => this.#appeared(agent)),
    ];
  }

  /** Number of upgrades that wait or run, as far as this process knows. */
  get open(): number {
    return [...this.#tenants.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Asks for an upgrade of a gateway. It begins after the commit, when it is its turn. */
  async request(tx: Tx, id: string, wanted: string | undefined): Promise<GatewayRow> {
    const row = await existing(tx, id);
    const known = upgradeOf(row);
    if (row.upgrade_open === 1 && known !== null && (wanted ?? known.version) === known.version) return row;
    const from = this.#versionToLeave(id, wanted);
    const times = { requestedAt: tx.now, changedAt: tx.now };
    const record: UpgradeRecord = {
      request: randomUUID(),
      version: this.#deps.version,
      from,
      state: 'QUEUED',
      ...times,
    };
    this.#requested.add(tx.tenant);
    return save(tx, row, record);
  }

  /** Cancels an upgrade that has not begun. */
  async cancel(tx: Tx, id: string): Promise<void> {
    const row = await existing(tx, id);
    const record = upgradeOf(row);
    if (record === null || row.upgrade_open === 0) throw notPossible('No upgrade of this gateway waits');
    if (record.state !== 'QUEUED') throw notPossible('The upgrade has begun, and ends by itself');
    await save(tx, row, { ...record, state: 'CANCELLED', changedAt: tx.now });
    this.ended.CANCELLED++;
  }

  /** Finds open upgrades in the database, and lets them go on. Called at the start and now and then. */
  async sweep(): Promise<void> {
    await this.#deps.offer.look();
    const everywhere = unscoped(this.#deps.store.db, 'upgrades of all tenants go on after a start of the controller');
    const rows = await everywhere
      .selectFrom('gateways')
      .select(['id', 'tenant_id'])
      .where('upgrade_open', '=', 1)
      .execute();
    this.#tenants.clear();
    for (const { id, tenant_id } of rows) this.#noteOpen(tenant_id, id);
    for (const tenant of this.#tenants.keys()) this.#begin(tenant);
    await Promise.all(this.#working.values());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await Promise.all(this.#working.values());
  }

  /** Returns the version that the gateway has now. Throws when it cannot be upgraded to the one of this controller. */
  #versionToLeave(id: string, wanted: string | undefined): string {
    const { channel, offer, version } = this.#deps;
    if (wanted !== undefined && wanted !== version) throw notPossible(`This controller offers version ${version} only`);
    if (offer.url === null) {
      void offer.look().catch(() => undefined);
      throw notPossible('The controller has no signed archives to install, or no https:// address: see /install');
    }
    const { connected, agent } = channel.presence(id);
    if (!connected || agent === undefined) throw notPossible('The gateway is not connected');
    if (!isOutdated(agent.version, version)) throw notPossible(`The gateway has version ${agent.version} already`);
    if (agent.upgrades === 'allowed') return agent.version;
    throw notPossible(
      agent.upgrades === 'impossible'
        ? 'The gateway was not installed by the script of a controller: upgrade it on its host'
        : 'The host does not allow it: set SALLYPORT_ALLOW_UPGRADES=true in /etc/sallyport/gateway.env there, and restart the gateway',
    );
  }

  #noteOpen(tenant: string, gateway: string): void {
    const gateways = this.#tenants.get(tenant) ?? new Set();
    this.#tenants.set(tenant, gateways.add(gateway));
  }

  #appeared(agent: string): void {
    for (const [tenant, gateways] of this.#tenants) if (gateways.has(agent)) this.#begin(tenant);
  }

  #begin(tenant: string): void {
    this.#run(tenant, () => this.#advance(tenant));
  }

  #run(tenant: string, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const before = this.#working.get(tenant) ?? Promise.resolve();
    const next = before
      .then(work)
      .catch((err) => this.#deps.log.warn({ err, tenant }, 'could not go on with upgrades of gateways; will try again'))
      .then(() => {
        if (this.#working.get(tenant) === next) this.#working.delete(tenant);
      });
    this.#working.set(tenant, next);
  }

  async #advance(tenant: string): Promise<void> {
    const { store, channel, version } = this.#deps;
    for (;;) {
      if (this.#stopped) return;
      const presence = (id: string) => channel.presence(id);
      const situation = () => ({ presence, offered: version, now: store.now() });
      const step = nextStep(await this.#openOf(tenant), situation());
      if (step.kind === 'wait') return;
      if (step.kind === 'set' && !(await this.#take(tenant, step, situation))) continue;
      if (step.kind === 'repeat' || step.state === 'ASKED') {
        const { gateway, record } = step.upgrade;
        channel.askUpgrade(gateway, { request: record.request, version: record.version });
        return;
      }
    }
  }

  async #openOf(tenant: string): Promise<OpenUpgrade[]> {
    const open = await this.#deps.store.read((db) => openUpgrades(scoped(db, tenant)));
    this.#tenants.delete(tenant);
    for (const { gateway } of open) this.#noteOpen(tenant, gateway);
    return open;
  }

  /** Takes a step if it is still the next one: another replica may have taken it, or one of its own. */
  #take(tenant: string, wanted: Extract<Step, { kind: 'set' }>, situation: () => Situation): Promise<boolean> {
    return this.#deps.store.write(bySystem(tenant, 'upgrade'), async (tx) => {
      const step = nextStep(await openUpgrades(tx.scoped), situation());
      const { gateway, record } = wanted.upgrade;
      if (step.kind !== 'set' || step.state !== wanted.state || step.upgrade.gateway !== gateway) return false;
      await this.#set(tx, gateway, record.request, (before) => before === record.state, wanted.state, wanted.reason);
      return true;
    });
  }

  async #reported(agent: AgentRef, { request, state, reason }: Omit<Upgrading, 'type'>): Promise<void> {
    const { store, log } = this.#deps;
    const row = await store.read((db) => findGateway(scoped(db, agent.tenant), agent.id));
    const after = state.toUpperCase() as Uppercase<typeof state>;
    const record = row === undefined ? null : upgradeOf(row);
    if (row?.upgrade_open !== 1 || record?.request !== request || !mayFollow(record.state, after)) return;
    const text = reason?.replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
    const follows = (before: UpgradeState) => mayFollow(before, after);
    await store.write(byAgent(row, 'upgrade'), (tx) => this.#set(tx, agent.id, request, follows, after, text));
    const facts = { gateway: agent.id, version: record.version, state: after, reason: text };
    log.info(facts, 'a gateway reported its upgrade');
    await this.#advance(agent.tenant);
  }

  /** Sets the state of an upgrade. After a bad end the others of the tenant are stopped, in the same write. */
  async #set(
    tx: Tx,
    id: string,
    request: string,
    follows: (before: UpgradeState) => boolean,
    state: UpgradeState,
    reason: string | undefined,
  ): Promise<void> {
    const row = await findGateway(tx.scoped, id);
    const record = row === undefined ? null : upgradeOf(row);
    if (row?.upgrade_open !== 1 || record?.request !== request || !follows(record.state)) return;
    await save(tx, row, { ...record, state, changedAt: tx.now, ...(reason !== undefined && { reason }) });
    if (state in this.ended) this.ended[state as EndState]++;
    if (isBadEnd(state)) await this.#stopOthers(tx, row.name, state);
  }

  async #stopOthers(tx: Tx, name: string, state: UpgradeState): Promise<void> {
    const waiting = await tx.scoped.selectFrom('gateways').selectAll().where('upgrade_open', '=', 1).execute();
    const how = state === 'RETURNED' ? 'returned to its old version' : 'could not be upgraded';
    for (const row of waiting) {
      const record = upgradeOf(row);
      if (record?.state !== 'QUEUED') continue;
      const reason = `Not begun, because the gateway ${name} ${how}`;
      await save(tx, row, { ...record, state: 'STOPPED', reason, changedAt: tx.now });
      this.ended.STOPPED++;
    }
  }
}

async function openUpgrades(own: Scoped): Promise<OpenUpgrade[]> {
  const rows = await own
    .selectFrom('gateways')
    .select(['id', 'name', 'upgrade'])
    .where('upgrade_open', '=', 1)
    .execute();
  return rows.flatMap((row) => {
    const record = upgradeOf(row);
    return record === null ? [] : [{ gateway: row.id, name: row.name, record }];
  });
}

const notPossible = (detail: string): ApiError => new ApiError('upgrade_not_possible', detail);

async function existing(tx: Tx, id: string): Promise<GatewayRow> {
  const row = await findGateway(tx.scoped, id);
  if (row === undefined) throw notFound();
  return row;
}

/** Writes an upgrade. It is no administrator's change of the gateway: version and `updatedAt` stay. */
async function save(tx: Tx, row: GatewayRow, record: UpgradeRecord): Promise<GatewayRow> {
  const columns = upgradeColumns(record);
  await updateGateway(tx, row.id, columns);
  const { request: _, ...shown } = record;
  const before = { upgrade: upgradeOf(row)?.state ?? null };
  tx.changed({ kind: 'gateway', id: row.id, op: 'update', name: row.name, before, after: { upgrade: shown } });
  return { ...row, ...columns };
}
