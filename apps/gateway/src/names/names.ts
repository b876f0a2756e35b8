import { networkInterfaces } from 'node:os';
import { gatewayOf, type ItemChange, isOpen, type Work } from '@sallyport/agent-core';
import {
  DnsServer,
  failureOf,
  LatestWriter,
  type Log,
  type NamingOutcome,
  type PlaneInput,
  type StateDirectory,
} from '@sallyport/agent-runtime';
import type { GatewayItem, NameFigures, NameItem, ProbeResult, StateItem } from '@sallyport/contract/channel';
import { endFlows, flowsTo, type Names, type NamesChange } from '@sallyport/hostnet';
import { wildcardsOver } from '@sallyport/ip';
import { answersAt } from '../probing/probes.ts';
import { AddressHealth } from './address-health.ts';
import { answerQuery } from './answer.ts';
import { Asking } from './asking.ts';
import { Figures } from './figures.ts';
import { FlowEnder } from './flows.ts';
import { forbiddenAddresses } from './forbidden.ts';
import { Forwarding } from './forwarding.ts';
import { HostResolvers } from './host-resolvers.ts';
import { concernsGateway, concernsNames, internetKey, ofNames } from './items.ts';
import { formatAnswers, readAnswers } from './memory.ts';
import { type NewNameCode, NewNames } from './new-names.ts';
import { isPrivate } from './private-names.ts';
import { type NameState, Resolver } from './resolver.ts';
import { ResolverHealth, resolversFor } from './servers.ts';
import { type AddressType, askUpstream, type ResolverAddress, type Upstream, type UpstreamAnswer } from './upstream.ts';
import { NameUses } from './uses.ts';

type Items = ReadonlyMap<string, StateItem>;

/** Dependencies of the names of a gateway. */
export interface NamesOptions {
  readonly directory: StateDirectory;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /**
   * Called with what is known about changed names. Resolves when the new translation is in force. Many changes are one
   * call.
   */
  readonly changed: (results: readonly ProbeResult[]) => Promise<void>;
  /** Tells the controller that a device asks for a new name, or which names are used. */
  readonly tell: (input: Extract<PlaneInput, { kind: 'ask-name' | 'names-used' }>) => void;
}

const unknownState: NameState = { A: null, AAAA: null, fault: null };
const answerMs = 2_000;
const patienceMs = 4_000;
const probeMs = 2_000;
/** What one device may take of the server. The table admits as many packets a second. */
const deviceShare = { pending: 64, perSecond: 400, connections: 8 };
const longestDetail = 300;
/** Time for which the addresses of this host count as known. */
const ownMs = 1_000;

/**
 * The host names of a gateway: resolves them, answers the devices that may reach them, and says how their virtual
 * addresses are translated. A gateway without names has no resolver, no sockets and no rules for them, unless devices with
 * a full tunnel ask it for all names.
 */
export class GatewayNames {
  readonly #options: NamesOptions;
  readonly #server: DnsServer;
  readonly #writer: LatestWriter;
  #resolver: Resolver | null = null;
  #remembered: ReadonlyMap<string, NameState> | null = null;
  #items: Items = new Map();
  readonly #asking = new Asking();
  readonly #forwarding: Forwarding;
  readonly #new: NewNames;
  readonly #uses: NameUses;
  #warned = '';
  #deniedRanges = '';
  #dnsServers = '';
  #hostResolvers: HostResolvers | null = null;
  readonly #health: ResolverHealth;
  readonly #addresses: AddressHealth;
  readonly #figures = new Figures();
  readonly #flows: FlowEnder;
  #forbidden: { gateway: GatewayItem; until: number; test: (address: string) => boolean } | null = null;
  /** Names that changed, and those whose translation is being put in force. */
  readonly #changed = new Set<string>();
  #coming: ReadonlySet<string> = new Set();
  #renewing: Promise<void> | null = null;

  constructor(options: NamesOptions) {
    this.#options = options;
    this.#health = new ResolverHealth(options.now);
    this.#forwarding = new Forwarding({
      upstreamFor: (name) => this.#upstreamFor(name),
      isForbidden: (address) => this.#isForbidden(address),
      isPrivate,
      mayReach: (source, address) => this.#asking.mayReach(source, address, options.now()),
      now: () => performance.now(),
    });
    this.#addresses = new AddressHealth({
      probe: async (target, port) => !this.#isForbidden(target) && (await answersAt(target, port, probeMs)),
      changed: (name, address, answers) => this.#resolver?.note(name, address, answers),
      gone: (name, address) => this.#endFlows(name, [address]),
    });
    this.#flows = new FlowEnder({
      end: endFlows,
      failed: (error) =>
        options.log.warn('flows to a former address of a name could not be ended', {
          reason: failureOf(error).message,
        }),
    });
    this.#server = new DnsServer(
      (source) => this.#asking.knows(source),
      (query, source, over) => this.#answer(query, source, over),
      { share: deviceShare },
    );
    this.#new = new NewNames({
      ask: (name, type) => this.#ask(name, type),
      isForbidden: (address) => this.#isForbidden(address),
      now: options.now,
      request: (name, device) => options.tell({ kind: 'ask-name', name, device }),
    });
    this.#uses = new NameUses({
      tell: (names) => options.tell({ kind: 'names-used', names }),
      names: () => ofNames([...this.#items.values()]).filter(({ resources }) => resources.length === 0),
      flowsTo,
      failed: (error) => options.log.warn('flows to names are not known', { reason: failureOf(error).message }),
      now: options.now,
    });
    this.#writer = new LatestWriter(
      async () => options.directory.write('names.json', await formatAnswers(this.#resolver?.states() ?? new Map())),
      (error) => options.log.warn('the addresses of names could not be stored', { reason: failureOf(error).message }),
    );
  }

  /** Real addresses by virtual address, a live view; null: there are no names. */
  get translation(): Names | null {
    return this.#resolver?.translation ?? null;
  }

  /** For the table: see `NameSource`. */
  takeAll(): Names | null {
    return this.#resolver?.changes.takeAll() ?? null;
  }

  takeChanges(): NamesChange | null | undefined {
    return this.#resolver?.changes.takeChanges();
  }

  /** Counts of queries and questions; null: this gateway has had no names. */
  get figures(): NameFigures | null {
    return this.#resolver === null ? null : this.#figures.of(this.#resolver.states());
  }

  /** How the names resolve, as results of probes. */
  get results(): ProbeResult[] {
    return [...(this.#resolver?.states() ?? [])].flatMap(([name, state]) => this.#resultsOf(name, state));
  }

  /**
   * Takes new items, before they are applied. Answers of an earlier process are used at once. A change that concerns no
   * name costs nothing.
   */
  async expect(work: Work): Promise<void> {
    this.#items = work.kind === 'close' ? new Map() : work.items;
    this.#asking.expect(work);
    this.#new.arrived((name) => this.#items.has(`name/${name}`));
    if (work.kind === 'change' && !work.changes.some(concernsNames)) return;
    if (work.kind === 'change' && this.#resolver !== null && !work.changes.some(concernsGateway))
      return this.#change(this.#resolver, work.changes);
    const names = isOpen(gatewayOf(this.#items)) ? ofNames([...this.#items.values()]) : [];
    const always = this.#isAskedForAll();
    if (names.length === 0 && !always && this.#resolver === null) return;
    this.#remembered ??= await readAnswers(this.#options.directory);
    this.#resolver ??= this.#open(this.#remembered);
    this.#resolver.expect(names);
    this.#resolver.always = always;
    this.#watchOnly(names);
    const { deniedRanges = [], dnsServers = [] } = gatewayOf(this.#items) ?? {};
    if (deniedRanges.join() !== this.#deniedRanges) this.#recheck(this.#resolver);
    this.#deniedRanges = deniedRanges.join();
    if (JSON.stringify(dnsServers) !== this.#dnsServers) this.#renewAll();
    this.#dnsServers = JSON.stringify(dnsServers);
    this.#uses.follow();
  }

  /** Answers of an earlier process are watched too, and names that are gone no longer. */
  #watchOnly(names: readonly NameItem[]): void {
    const wanted = new Set(names.map(({ id }) => id));
    for (const name of [...this.#addresses.names()]) if (!wanted.has(name)) this.#addresses.remove(name);
    for (const name of wanted) this.#watch(name);
  }

  /** Leaves addresses that are denied by now, also those to which flows may still lead. */
  #recheck(resolver: Resolver): void {
    resolver.recheck();
    for (const name of this.#addresses.names()) if (!this.#changed.has(name)) this.#endForbidden(name);
  }

  #endForbidden(name: string): void {
    this.#endFlows(
      name,
      this.#addresses.takeForbidden(name, (address) => this.#isForbidden(address)),
    );
  }

  #endFlows(name: string, reals: readonly string[]): void {
    const item = this.#items.get(`name/${name}`);
    if (item?.kind !== 'name') return;
    for (const real of reals)
      for (const virtual of item.addresses)
        if (virtual.includes(':') === real.includes(':')) this.#flows.end(virtual, real);
  }

  /** Looks after the addresses of a name whose translation is in force. */
  #follow(name: string): void {
    this.#endForbidden(name);
    this.#watch(name);
  }

  #watch(name: string): void {
    const item = this.#items.get(`name/${name}`);
    const state = this.#resolver?.state(name);
    if (item?.kind !== 'name' || state === undefined) return void this.#addresses.remove(name);
    const port = item.resources.find((use) => use.port != null)?.port ?? null;
    this.#addresses.expect(name, { v4: state.A?.addresses ?? [], v6: state.AAAA?.addresses ?? [], port });
  }

  /** Devices with a full tunnel through this gateway ask it for all names. */
  #isAskedForAll(): boolean {
    const gateway = gatewayOf(this.#items);
    return isOpen(gateway) && gateway?.forwarding === true && this.#items.has(internetKey);
  }

  #change(resolver: Resolver, changes: readonly ItemChange[]): void {
    if (!isOpen(gatewayOf(this.#items))) return;
    const [gone, come] = [changes.map(({ before }) => before), changes.map(({ after }) => after)].map(ofNames);
    const stays = new Set(come?.map(({ id }) => id));
    const removed = (gone ?? []).map(({ id }) => id).filter((id) => !stays.has(id));
    resolver.change(come ?? [], removed);
    for (const name of [...removed, ...stays]) this.#watch(name);
  }

  /** Listens for queries where the applied items say so. A failure is logged and tried again with the next call. */
  async listen(): Promise<void> {
    const gateway = gatewayOf(this.#items);
    const addresses = this.translation === null ? [] : (gateway?.addresses ?? []).map(withoutLength);
    const warning = await this.#server.listen(addresses).then(
      () => '',
      (error: Error) => `Names are not answered, because this gateway cannot listen on port 53: ${error.message}`,
    );
    if (warning !== '' && warning !== this.#warned) this.#options.log.warn(warning);
    this.#warned = warning;
  }

  /** Resolves all names now. */
  async refresh(): Promise<ProbeResult[]> {
    await this.#resolver?.refreshAll();
    return this.results;
  }

  /** Takes the controller's answer about a new name. */
  named(name: string, outcome: NamingOutcome): void {
    this.#new.named(name, outcome);
  }

  async stop(): Promise<void> {
    await this.#uses.stop();
    this.#resolver?.stop();
    this.#hostResolvers?.close();
    this.#addresses.stop();
    await this.#flows.settled();
    await this.#server.close();
    await this.#writer.flush();
  }

  #open(remembered: ReadonlyMap<string, NameState>): Resolver {
    const { now } = this.#options;
    this.#hostResolvers = new HostResolvers({ now, changed: () => this.#renewAll() });
    return new Resolver(
      {
        ask: (name, type) => this.#ask(name, type),
        isForbidden: (address) => this.#isForbidden(address),
        now,
        changed: (name) => {
          this.#changed.add(name);
          this.#renewing ??= this.#renew();
        },
      },
      remembered,
    );
  }

  /** Other resolvers may give other answers. */
  #renewAll(): void {
    this.#resolver?.renew();
    this.#forwarding.forget();
  }

  async #ask(name: string, type: AddressType): Promise<UpstreamAnswer> {
    return askUpstream(await this.#upstream(), name, type);
  }

  async #upstream(): Promise<Upstream> {
    const system = (await this.#hostResolvers?.list()) ?? [];
    const routed = gatewayOf(this.#items)?.dnsServers ?? [];
    const serversFor = (asked: string) => this.#health.sorted(resolversFor(asked, routed, system));
    const asked = (server: ResolverAddress, answered: boolean, ms: number) => {
      this.#health.note(server, answered);
      this.#figures.asked(answered, ms);
    };
    return { serversFor, timeoutMs: answerMs, asked };
  }

  async #renew(): Promise<void> {
    // Answers that arrive together are one change.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#changed.size > 0) {
      this.#coming = new Set(this.#changed);
      this.#changed.clear();
      await this.#options.changed(
        [...this.#coming].flatMap((name) => this.#resultsOf(name, this.#resolver?.state(name) ?? unknownState)),
      );
      for (const name of this.#coming) this.#follow(name);
      // Devices wait for the translation, and only the next process for this.
      this.#writer.request();
    }
    this.#coming = new Set();
    this.#renewing = null;
  }

  /** Returns what is known about a name, when its translation is in force. */
  async #lookUp(name: string): Promise<NameState | undefined> {
    const state = await this.#resolver?.lookUp(name, patienceMs);
    while (this.#renewing !== null && (this.#changed.has(name) || this.#coming.has(name))) await this.#renewing;
    return state;
  }

  #isForbidden(address: string): boolean {
    const gateway = gatewayOf(this.#items);
    if (gateway === null) return true;
    const now = this.#options.now();
    if (this.#forbidden?.gateway !== gateway || now >= this.#forbidden.until || now < this.#forbidden.until - ownMs) {
      const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address));
      this.#forbidden = { gateway, until: now + ownMs, test: forbiddenAddresses(gateway, own) };
    }
    return this.#forbidden.test(address);
  }

  async #answer(query: Buffer, source: string, over: 'udp' | 'tcp'): Promise<Buffer | null> {
    const answer = await answerQuery(query, source, {
      obtain: async (from, name) => this.#obtain(from, name),
      mayAsk: (from, name) => this.#asking.mayAsk(from, name, this.#options.now()),
      virtual: (name) => {
        const item = this.#items.get(`name/${name}`);
        if (item?.kind !== 'name') return [];
        if (item.resources.length === 0) this.#uses.note(name);
        return item.addresses;
      },
      lookUp: (name) => this.#lookUp(name),
      forward: (packet, name) =>
        this.#isForwarded(name, source) ? this.#forwarding.answer(packet, source, over) : null,
    });
    this.#figures.answered(answer);
    return answer;
  }

  /** Names of resources are answered here, also with a refusal. */
  #isForwarded(name: string, source: string): boolean {
    if (gatewayOf(this.#items)?.forwarding !== true) return false;
    const isOurs = [name, ...wildcardsOver(name)].some((one) => this.#items.has(`name/${one}`));
    return !isOurs && this.#asking.isAdmitted(source, this.#options.now());
  }

  /** Names of a domain with resolvers of its own are not forwarded: a device learns of them only through resources. */
  async #upstreamFor(name: string): Promise<Upstream | null> {
    const routed = gatewayOf(this.#items)?.dnsServers ?? [];
    const own = routed.some(({ domains }) => domains.some((one) => name === one || name.endsWith(`.${one}`)));
    return own ? null : this.#upstream();
  }

  /** A name that the items have needs nothing, and one that no wildcard covers gets nothing. */
  #obtain(source: string, name: string): Promise<NewNameCode | null> | null {
    const device = this.#items.has(`name/${name}`) ? undefined : this.#asking.deviceOf(source);
    const mayAsk = (wildcard: string) => this.#asking.mayAsk(source, wildcard, this.#options.now());
    return device !== undefined && wildcardsOver(name).some(mayAsk) ? this.#new.find(name, device) : null;
  }

  #resultsOf(name: string, { A, AAAA, fault }: NameState): ProbeResult[] {
    const item = this.#items.get(`name/${name}`);
    if (item?.kind !== 'name' || (A === null && AAAA === null && fault === null)) return [];
    const real = [A?.addresses[0], AAAA?.addresses[0]].filter((address) => address !== undefined).join(' and ');
    const detail = (fault ?? `${name} has the address ${real}`).slice(0, longestDetail);
    return item.resources.map(({ id, probe }) => ({ id: probe, resource: id, reachable: fault === null, detail }));
  }
}

const withoutLength = (text: string): string => text.replace(/\/.*$/, '');
