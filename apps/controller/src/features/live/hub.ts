import { randomUUID } from 'node:crypto';
import { type LiveMessage, LiveTopics } from '@sallyport/contract';
import type { Channel } from '../../channel/types.ts';
import { logSpan } from '../../db/change-log.ts';
import { scoped } from '../../db/scoped.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { Caller } from '../../http/handlers.ts';
import type { Replicas } from '../../replicas/types.ts';
import { touchesRights } from './changes.ts';
import { LiveOverviews, type OverviewDeps } from './overview.ts';
import { LiveSession, type LiveSessionDeps } from './session.ts';
import { type LiveViewDeps, LiveViews } from './views.ts';
import { WatchedObjects } from './watched.ts';

/** What live streams are made from. */
export interface LiveHubDeps extends LiveViewDeps, OverviewDeps {
  readonly gateways: LiveViewDeps['gateways'] & OverviewDeps['gateways'];
  readonly devices: LiveViewDeps['devices'] & OverviewDeps['devices'];
  readonly channel: Pick<Channel, 'onPresence' | 'onReport' | 'gather'>;
  readonly replicas: Pick<Replicas, 'others' | 'ask' | 'handle'>;
}

/** Maximum number of live streams of a session or API key. A new one ends the oldest. */
export const streamsPerCaller = 10;
/** Maximum number of live streams of a tenant. */
export const streamsPerTenant = 500;

/** How long another replica may take to say that it has a stream, milliseconds. */
const answerMs = 2_000;

/** Topic of messages between replicas that set what a stream follows. */
const topicsTopic = 'live-topics';

/** Body of such a message. The replica that got the request has found out who calls. */
interface AskedTopics {
  readonly tenant: string;
  /** As `keyOf` names the caller. */
  readonly caller: string;
  readonly stream: string;
  readonly topics: LiveTopics;
}

/** A started live stream. */
export interface FollowedLive {
  readonly start: number;
  readonly messages: AsyncIterable<readonly LiveMessage[]>;
}

/**
 * All live streams of this process. Commits and reports of agents touch the watched objects that they are about, and
 * through these the streams. Without streams, an event costs one look-up.
 */
export class LiveHub {
  readonly #deps: LiveSessionDeps;
  readonly #replicas: LiveHubDeps['replicas'];
  readonly #tenants = new Map<string, TenantStreams>();
  readonly objects = new WatchedObjects();
  readonly views: LiveViews;

  constructor(deps: LiveHubDeps) {
    const { store, timers, channel, replicas } = deps;
    this.views = new LiveViews(deps);
    const overviews = new LiveOverviews(deps);
    this.#deps = { store, timers, objects: this.objects, views: this.views, overviews };
    store.onCommit(({ tenant }) => this.#committed(tenant));
    channel.onPresence((id) => this.#presence(id));
    channel.onReport((id, what) => this.#reported(id, what));
    this.#replicas = replicas;
    replicas.handle(topicsTopic, (body) => this.#followHere(body as AskedTopics));
  }

  /** Begins a stream. It ends with the signal, or when the same caller has begun too many since. */
  async open(caller: Caller, since: number | null, signal: AbortSignal): Promise<FollowedLive> {
    const { tenant, rights } = caller;
    const { store } = this.#deps;
    const { first, last } = await store.read((db) => logSpan(scoped(db, tenant)));
    store.log.heard({ tenant, revision: last });
    const streams = this.#tenants.get(tenant) ?? new TenantStreams(store.log.head(tenant));
    if (streams.all.size >= streamsPerTenant)
      throw new ApiError('rate_limited', `A tenant may have ${streamsPerTenant} live streams: close one first`);
    const continues = since !== null && since >= first && since <= last;
    const revision = continues ? since : last;
    const session = new LiveSession(
      { id: randomUUID(), tenant, caller: keyOf(caller), rights, revision, reload: since !== null && !continues },
      this.#deps,
    );
    this.#tenants.set(tenant, streams);
    streams.add(session);
    const left = () => this.#left(streams, session);
    if (signal.aborted) left();
    else signal.addEventListener('abort', left, { once: true });
    return { start: revision, messages: session.messages() };
  }

  /** Sets what a stream follows, also one of another replica. Throws `not_found` unless it is a stream of the caller. */
  async follow(caller: Caller, stream: string, topics: LiveTopics): Promise<void> {
    const asked: AskedTopics = { tenant: caller.tenant, caller: keyOf(caller), stream, topics };
    if (this.#followHere(asked)) return;
    const others = this.#replicas.others();
    const answers = await Promise.all(others.map(({ id }) => this.#replicas.ask(id, topicsTopic, asked, answerMs)));
    if (!answers.includes(true)) throw notFound();
  }

  #followHere({ tenant, caller, stream, topics }: AskedTopics): boolean {
    const session = this.#tenants.get(tenant)?.all.get(stream);
    if (session === undefined || session.caller !== caller) return false;
    session.follow(LiveTopics.parse(topics));
    return true;
  }

  #left(streams: TenantStreams, session: LiveSession): void {
    session.end();
    streams.all.delete(session.id);
    if (streams.all.size === 0 && this.#tenants.get(session.tenant) === streams) this.#tenants.delete(session.tenant);
  }

  #committed(tenant: string): void {
    const streams = this.#tenants.get(tenant);
    if (streams === undefined) return;
    const { log } = this.#deps.store;
    const news = log.recent(tenant, streams.at);
    streams.at = log.head(tenant);
    const changes = news?.flatMap((revision) => revision.changes) ?? null;
    // A notice without a revision says that a session ended.
    if (changes === null || changes.length === 0 || changes.some(touchesRights))
      for (const session of streams.all.values()) session.recheck();
    if (changes === null) this.objects.touchAll(tenant);
    for (const { id } of changes ?? [])
      for (const watched of this.objects.withId(id)) if (watched.tenant === tenant) watched.touch();
    this.#deps.overviews.changed(tenant, changes);
    if (changes?.length !== 0) for (const session of streams.all.values()) session.committed();
  }

  #presence(id: string): void {
    for (const watched of this.objects.withId(id)) if (watched.known) watched.touch();
    this.#deps.overviews.seen(id);
  }

  #reported(id: string, what: 'report' | 'handshake'): void {
    for (const watched of this.objects.withId(id)) {
      const { known, topic } = watched;
      if (known && (what === 'handshake' ? topic === 'devices' : topic === 'statistics' || topic === 'paths'))
        watched.touch();
    }
    if (what === 'handshake') this.#deps.overviews.seen(id);
  }
}

/** The live streams of one tenant, oldest first. */
class TenantStreams {
  readonly all = new Map<string, LiveSession>();
  /** Revision up to which the log was followed. */
  at: number;

  constructor(at: number) {
    this.at = at;
  }

  add(session: LiveSession): void {
    const own = [...this.all.values()].filter(({ caller }) => caller === session.caller);
    for (const oldest of own.slice(0, Math.max(0, own.length + 1 - streamsPerCaller))) {
      oldest.end();
      this.all.delete(oldest.id);
    }
    this.all.set(session.id, session);
  }
}

const keyOf = ({ actor, session }: Caller): string => (session === null ? `key/${actor.id}` : `session/${session.id}`);
