import { parseEndpoint } from '@sallyport/contract';
import type { Named } from '@sallyport/contract/channel';
import { canonicalName } from '@sallyport/contract/host-name';
import type { SharedSpending, Spend } from '../budgets/shared-spending.ts';
import type { AgentRef, NameRequests } from '../channel/types.ts';
import { byAgent } from '../db/contexts.ts';
import type { Store, Tx } from '../db/store.ts';
import { nameRefusal } from '../objects/resources/names.ts';
import { RequestRate } from '../paths/rate.ts';
import { nameFor, noteUsedNames } from './asked-names.ts';

/** Parts of the controller that requests for names use. */
export interface NameRequestDeps {
  readonly store: Store;
  /** Host by which others reach this machine, or null. */
  readonly publicHost: () => Promise<string | null>;
  /** Most names of wildcards in one tenant. */
  readonly mostNames: number;
  readonly spending: Pick<SharedSpending, 'share'>;
  readonly log: { readonly warn: (facts: object, text: string) => void };
}

type Outcome = Named['outcome'];

interface Asked {
  readonly gateway: AgentRef;
  readonly name: string;
  readonly device: string;
  readonly resolve: (outcome: Outcome) => void;
}

/** Figures for the metrics: requests by outcome. */
export type NameCounters = Record<Outcome, number>;

/** Gives names under wildcards their virtual addresses, when a device asks a gateway for one for the first time. */
export class NameGiver implements NameRequests {
  readonly counters: NameCounters = { given: 0, none: 0, later: 0, full: 0 };
  readonly #deps: NameRequestDeps;
  /** New names of a device, and of a tenant. */
  readonly #ofDevice = new RequestRate({ everyMs: 0, burst: 100, perSecond: 0.1, remembered: 100_000 });
  readonly #ofTenant = new RequestRate({ everyMs: 0, burst: 1_000, perSecond: 2, remembered: 10_000 });
  readonly #uses = new RequestRate({ everyMs: 0, burst: 60, perSecond: 0.1, remembered: 10_000 });
  readonly #events = new RequestRate({ everyMs: eventEveryMs, burst: 100, perSecond: 0.01, remembered: 10_000 });
  readonly #waiting = new Map<string, Asked[]>();

  readonly #spend: { readonly device: Spend; readonly tenant: Spend };

  constructor(deps: NameRequestDeps) {
    this.#deps = deps;
    const shared = (name: string, rate: RequestRate) =>
      deps.spending.share(name, (owner, count, now) => rate.spent(owner, count, now));
    this.#spend = {
      device: shared('names of a device', this.#ofDevice),
      tenant: shared('names of a tenant', this.#ofTenant),
    };
  }

  ask(gateway: AgentRef, name: string, device: string): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const asked = { gateway, name, device, resolve };
    const waiting = this.#waiting.get(gateway.tenant);
    if (canonicalName(name) !== name || nameRefusal(name) !== null) resolve('none');
    else if (waiting === undefined) {
      this.#waiting.set(gateway.tenant, [asked]);
      void this.#serve(gateway.tenant);
    } else if (waiting.length < mostWaiting) waiting.push(asked);
    else resolve('later');
    return promise.then((outcome) => {
      this.counters[outcome]++;
      return outcome;
    });
  }

  used(gateway: AgentRef, names: readonly string[]): void {
    const { store, log } = this.#deps;
    if (!this.#uses.admits(gateway.id, '', store.now())) return;
    store
      .write(contextOf(gateway), async (tx) => {
        const networks = await networksOf(tx, [gateway.id]);
        await noteUsedNames(tx, networks.get(gateway.id) ?? '', names);
      })
      .catch((err: unknown) => log.warn({ err, gateway: gateway.id }, 'could not note which names are used'));
  }

  /** Serves all waiting requests of a tenant, and those that come meanwhile. */
  async #serve(tenant: string): Promise<void> {
    for (let part = this.#take(tenant); part.length > 0; part = this.#take(tenant)) {
      const outcomes = await this.#give(part).catch((err: unknown) => {
        this.#deps.log.warn({ err, tenant }, 'could not give addresses to names');
        return [];
      });
      for (const [i, { resolve }] of part.entries()) resolve(outcomes[i] ?? 'later');
      this.#report(part, outcomes);
    }
    this.#waiting.delete(tenant);
  }

  #take(tenant: string): Asked[] {
    return this.#waiting.get(tenant)?.splice(0, namesPerWrite) ?? [];
  }

  async #give(asked: readonly Asked[]): Promise<Outcome[]> {
    const { store, publicHost, mostNames } = this.#deps;
    const own = await publicHost();
    const { gateway } = asked[0] as Asked;
    return store.write(contextOf(gateway), async (tx) => {
      const outcomes: Outcome[] = [];
      const reserved = new Set([...(own === null ? [] : [own.toLowerCase()]), ...(await endpointNames(tx))]);
      const networks = await networksOf(
        tx,
        asked.map(({ gateway }) => gateway.id),
      );
      for (const { gateway, name, device } of asked) {
        const place = { network: networks.get(gateway.id) ?? '', name };
        const mayGive = () => this.#admits(tx.tenant, device, tx.now);
        const outcome = reserved.has(name) ? 'none' : await nameFor(tx, place, mostNames, mayGive);
        outcomes.push(outcome);
      }
      return outcomes;
    });
  }

  #admits(tenant: string, device: string, now: number): boolean {
    const owner = `${tenant} ${device}`;
    if (!this.#ofDevice.admits(owner, '', now)) return false;
    this.#spend.device(owner, 1);
    if (!this.#ofTenant.admits(tenant, '', now)) return false;
    this.#spend.tenant(tenant, 1);
    return true;
  }

  /** Leaves an event when names are refused to a device, or when a tenant has no place for more. */
  #report(asked: readonly Asked[], outcomes: readonly Outcome[]): void {
    for (const [i, outcome] of outcomes.entries()) {
      const one = asked[i] as Asked;
      const { gateway, device, name } = one;
      if (outcome !== 'later' && outcome !== 'full') continue;
      const about = outcome === 'later' ? device : '';
      if (!this.#events.admits(gateway.tenant, `${outcome} ${about}`, this.#deps.store.now())) continue;
      this.#record(one, outcome).catch((err: unknown) =>
        this.#deps.log.warn({ err, device, name }, 'could not record that a name was refused'),
      );
    }
  }

  #record({ gateway, device, name }: Asked, outcome: 'later' | 'full'): Promise<void> {
    return this.#deps.store.write(contextOf(gateway), async (tx) => {
      const after = { name, device, reason: reasons[outcome] };
      tx.changed({ kind: 'gateway', id: gateway.id, op: 'update', before: null, after, auditOnly: true });
    });
  }
}

const reasons = {
  later: 'the device or the tenant asked for more new names under wildcards than it may have for now',
  full: 'the tenant has as many names under wildcards as it may have, or no address left',
} as const;

const contextOf = ({ id, tenant }: AgentRef) => byAgent({ id, tenant_id: tenant, name: null }, 'askName');

/** Returns the networks in which gateways stand, by gateway. */
async function networksOf(tx: Tx, gateways: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(gateways)];
  const rows = await tx.scoped.selectFrom('gateways').select(['id', 'network']).where('id', 'in', ids).execute();
  return new Map(rows.map(({ id, network }) => [id, network]));
}

/** Hosts of the endpoints of gateways: devices must find these without a tunnel. */
async function endpointNames(tx: Tx): Promise<string[]> {
  const rows = await tx.scoped.selectFrom('gateways').select('endpoint').where('endpoint', 'is not', null).execute();
  return rows.flatMap(({ endpoint }) => parseEndpoint(endpoint ?? '')?.host.toLowerCase() ?? []);
}

const namesPerWrite = 100;
const mostWaiting = 1_000;
const eventEveryMs = 3_600_000;
