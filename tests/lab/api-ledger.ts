import { randomUUID } from 'node:crypto';
import type { OperationName } from '@sallyport/contract';
import { pick } from '../protocol/dice.ts';
import type { CallInput, ControllerApi } from './controller-api.ts';

/** Numbers of requests. */
export interface LedgerCounts {
  /** Writes that were acknowledged. */
  acknowledged: number;
  /** Requests without an answer, or with one that says that the controller is away. They were sent again. */
  repeated: number;
}

/** A grant of the load: a policy of one device for one resource. */
interface Grant {
  readonly device: string;
  readonly resource: string;
  /** Id of the policy; null: revoked. */
  policy: string | null;
}

const mostGroups = 90;
const pauseMs = 150;
const requestMs = 5_000;
/** Answers after which a request is sent again: rate, proxy, database away, or the first one still runs. */
const passing = new Set([409, 429, 500, 502, 503, 504]);

/**
 * Writes through the API, and keeps a ledger of what was acknowledged: groups that come, change and go, and grants. A
 * request without an answer is sent again with the same key, until it is acknowledged.
 */
export class ApiLedger {
  readonly counts: LedgerCounts = { acknowledged: 0, repeated: 0 };
  readonly #api: ControllerApi;
  readonly #roll: () => number;
  readonly #names = new Map<string, string>();
  readonly #grants: readonly Grant[];
  #made = 0;
  #stopping = false;
  #workers: Promise<unknown> = Promise.resolve();

  constructor(api: ControllerApi, roll: () => number, grants: readonly Omit<Grant, 'policy'>[]) {
    this.#api = api;
    this.#roll = roll;
    this.#grants = grants.map((grant) => ({ ...grant, policy: null }));
  }

  start(): void {
    const work = async (step: () => Promise<void>) => {
      while (!this.#stopping) {
        await step();
        await pause(pauseMs * (0.5 + this.#roll()));
      }
    };
    this.#workers = Promise.all([work(() => this.#changeGroups()), work(() => this.#changeGrant())]);
  }

  /** Ends the load. Rejects when a write was refused that should not have been. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#workers;
  }

  /** The grants as they were acknowledged last. */
  get grants(): readonly Readonly<Grant>[] {
    return this.#grants;
  }

  /** Returns what a controller shows that differs from the ledger, one sentence each. */
  async differences(api: ControllerApi): Promise<string[]> {
    const { status, body } = await api.send('listGroups', {}, '?limit=100');
    if (status !== 200) return [`listGroups: ${status} ${body}`];
    const listed = JSON.parse(body) as { data: { id: string; name: string }[]; total: number };
    const ours = listed.data.filter(({ name }) => name.startsWith('load '));
    const shown = new Map(ours.map(({ id, name }) => [id, name]));
    const lost = [...this.#names].filter(([id, name]) => shown.get(id) !== name);
    const more = [...shown].filter(([id]) => !this.#names.has(id));
    const policies = await api.call('listPolicies');
    const known = new Set(JSON.stringify(policies).match(/[0-9a-f-]{36}/g));
    const gone = this.#grants.filter(({ policy }) => policy !== null && !known.has(policy));
    return [
      ...lost.map(([id, name]) => `the group ${id} should be "${name}", and is "${shown.get(id) ?? 'gone'}"`),
      ...more.map(([id, name]) => `the group ${id} "${name}" should not be there`),
      ...gone.map(({ policy }) => `the policy ${policy} is gone`),
    ];
  }

  async #changeGroups(): Promise<void> {
    const ids = [...this.#names.keys()];
    const kind = ids.length < 10 ? 'create' : pick(this.#roll, ['create', 'update', 'update', 'delete']);
    const name = `load ${++this.#made}`;
    if (kind === 'create' && ids.length < mostGroups) {
      const { id } = JSON.parse(await this.#write('createGroup', { body: { name, roles: [] } })) as { id: string };
      this.#names.set(id, name);
      return;
    }
    const id = pick(this.#roll, ids);
    if (kind === 'update') {
      await this.#write('updateGroup', { params: { id }, body: { name, roles: [] } });
      this.#names.set(id, name);
    } else {
      await this.#write('deleteGroup', { params: { id } });
      this.#names.delete(id);
    }
  }

  async #changeGrant(): Promise<void> {
    const grant = pick(this.#roll, this.#grants);
    if (grant.policy !== null) {
      await this.#write('deletePolicy', { params: { id: grant.policy } });
      grant.policy = null;
      return;
    }
    const all = { allGroups: false, allUsers: false, allDevices: false, allResources: false };
    const name = `grant ${++this.#made}`;
    const body = { name, action: true, type: 'PRIVATE', ...all, devices: [grant.device], resources: [grant.resource] };
    const made = await this.#write('createPolicy', { body: body as never });
    grant.policy = (JSON.parse(made) as { id: string }).id;
  }

  /** Sends a write until it is acknowledged. Returns the body of the answer. */
  async #write<N extends OperationName>(name: N, input: CallInput<N>): Promise<string> {
    const headers = { 'idempotency-key': randomUUID() };
    for (;;) {
      const answer = await this.#api.send(name, { ...input, headers, timeoutMs: requestMs }).catch(() => null);
      if (answer !== null && answer.status < 300) {
        this.counts.acknowledged++;
        return answer.body;
      }
      if (answer !== null && !passing.has(answer.status))
        throw new Error(`${name} ${JSON.stringify(input)}: ${answer.status} ${answer.body}`);
      this.counts.repeated++;
      await pause(100 + 200 * this.#roll());
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
