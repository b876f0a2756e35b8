import type { Count } from '../firewall/load.ts';
import { relayChange } from '../relay/change.ts';
import { counterOwner, type RelayContent, relayContent } from '../relay/pairs.ts';
import { RELAY_MAPS, RELAY_RULE_COUNTS, relayRuleset, relayTable, relayTableName } from '../relay/ruleset.ts';
import type { RelayPair } from '../types.ts';
import { readChains } from './foreign.ts';
import { type RelayListing, readRelay } from './relay-json.ts';
import { failure, output, parseJson, run } from './run.ts';
import { type Clock, clockFrom } from './timing.ts';

/** Traffic of a pair that the kernel has forwarded since the pair was added. */
export interface RelayCount {
  /** From side a to side b. */
  readonly fromA: Count;
  readonly fromB: Count;
}

/**
 * Forwards WireGuard transport data between learned ends in the kernel. Each interface has its own table, which
 * outlives the process. Handshakes and datagrams of unknown sources go to the socket on the port. The host must forward
 * (`Host.up`). Calls run one after another. `now` is always epoch milliseconds.
 */
export class RelayTable {
  /** Content that this object loaded into the kernel; null when it must be read first. */
  #held: { readonly content: RelayContent; readonly rules: RelayListing['rules'] } | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #name: string;
  /** Table name with its family. */
  readonly #table: string;

  /** Throws `invalid-state` on an invalid interface name. */
  constructor(interfaceName: string) {
    this.#name = relayTableName(interfaceName);
    this.#table = relayTable(interfaceName);
  }

  /**
   * Makes the table contain exactly these pairs. Existing pairs stay untouched and continue to count. Resolves with the
   * ids that the kernel forwards; the socket serves the others. Throws HostNetError, with `invalid-state` if the pairs
   * contradict each other.
   */
  apply(pairs: readonly RelayPair[], now: number): Promise<ReadonlySet<string>> {
    const clock = clockFrom(now);
    return this.#enqueue(async () => {
      const wanted = relayContent(pairs, clock());
      if (!(await this.#carryOver(wanted, clock()))) await this.#load(wanted, clock);
      return wanted.ids;
    });
  }

  /** Returns the traffic of each pair by id. Empty without a table. */
  counters(): Promise<ReadonlyMap<string, RelayCount>> {
    return this.#enqueue(async () => {
      const result = new Map<string, { fromA: Count; fromB: Count }>();
      for (const [name, count] of (await list(this.#name, '-jt'))?.counts ?? []) {
        const owner = counterOwner(name);
        if (!owner) continue;
        const known = result.get(owner.id) ?? { fromA: NOTHING, fromB: NOTHING };
        result.set(owner.id, { ...known, [owner.side === 'a' ? 'fromA' : 'fromB']: count });
      }
      return result;
    });
  }

  /** Returns one sentence for each difference from the last `apply` of this object. The next `apply` repairs them. */
  verify(now: number): Promise<readonly string[]> {
    return this.#enqueue(async () => {
      const held = this.#held;
      const found = await list(this.#name, '-j');
      if (held === null || found === null) {
        this.#held = null;
        return [found === null ? 'the relay table does not exist' : 'the relay table was never applied'];
      }
      const differences = [
        ...ruleDifferences(held.rules, found.rules),
        ...elementDifferences(held.content, found, now),
      ];
      if (differences.length > 0) this.#held = null;
      return differences;
    });
  }

  /** Returns one sentence for each foreign chain that may drop forwarded packets. In that case use only the socket. */
  async obstacles(): Promise<readonly string[]> {
    const answer = parseJson('nft', await output('nft', ['-jt', 'list', 'ruleset']));
    return readChains(answer)
      .filter(({ hook, policy, family }) => hook === 'forward' && policy === 'drop' && family.startsWith('i'))
      .map(({ family, table, name }) => `chain ${name} of table ${family} ${table} drops what is forwarded`);
  }

  /** Removes the table. Returns true when it existed. */
  remove(): Promise<boolean> {
    return this.#enqueue(async () => {
      this.#held = null;
      if ((await list(this.#name, '-jt')) === null) return false;
      await output('nft', ['-f', '-'], `add table ${this.#table}\ndelete table ${this.#table}\n`);
      return true;
    });
  }

  /** Applies the difference. Returns false if the kernel refuses it. */
  async #carryOver(wanted: RelayContent, now: number): Promise<boolean> {
    const held = this.#held;
    if (held === null) return false;
    const text = relayChange(this.#table, held.content, wanted, now);
    if (text === null) return true;
    this.#held = null;
    if ((await run('nft', ['-f', '-'], text)).code !== 0) return false;
    this.#held = { content: wanted, rules: held.rules };
    return true;
  }

  /**
   * Builds on the table of an earlier process, so that no packet is lost. If that fails, starts with an empty table.
   */
  async #load(wanted: RelayContent, clock: Clock): Promise<void> {
    this.#held = null;
    // Undefined means that the table exists but cannot be parsed.
    const found = await list(this.#name, '-j').catch(() => undefined);
    if (found === null && wanted.ids.size === 0) return;
    const empty = relayContent([], clock());
    const change = (before: RelayContent): string => {
      return relayRuleset(this.#table) + (relayChange(this.#table, before, wanted, clock()) ?? '');
    };
    const built = found !== undefined && (await run('nft', ['-f', '-'], change(found?.content ?? empty))).code === 0;
    if (!built) {
      const anew = `add table ${this.#table}\ndelete table ${this.#table}\n`;
      await output('nft', ['-f', '-'], anew + change(empty));
    }
    this.#held = { content: wanted, rules: (await list(this.#name, '-jt'))?.rules ?? new Map() };
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }
}

const NOTHING: Count = { packets: 0, bytes: 0 };

/** Reads the table; null if it does not exist. */
async function list(name: string, flags: '-j' | '-jt'): Promise<RelayListing | null> {
  const result = await run('nft', [flags, 'list', 'table', 'inet', name]);
  if (result.code === 0) return readRelay(parseJson('nft', result.stdout));
  if (/No such file or directory/.test(result.stderr)) return null;
  throw failure('nft', result);
}

function ruleDifferences(baseline: RelayListing['rules'], found: RelayListing['rules']): string[] {
  const names = new Set([...RELAY_RULE_COUNTS.keys(), ...found.keys()]);
  return [...names]
    .filter((name) => found.get(name)?.join('\n') !== baseline.get(name)?.join('\n'))
    .map((name) => `relay chain ${name} is not as loaded`);
}

/** Returns differences of elements. The kernel's clock may be ahead of ours by a second. */
function elementDifferences(wanted: RelayContent, found: RelayListing, now: number): string[] {
  return RELAY_MAPS.flatMap(({ name }) => {
    const there = found.content.maps[name];
    const wants = wanted.maps[name];
    const missing = [...wants].filter(([key, { value, expiresAt }]) => {
      const element = there.get(key);
      return element ? element.value !== value : expiresAt === null || expiresAt > now + 1000;
    });
    const strange = [...there.keys()].filter((key) => !wants.has(key));
    return [
      ...missing.map(([key]) => `relay ${name}: ${key} is not as wanted`),
      ...strange.map((key) => `relay ${name}: ${key} is not ours`),
    ];
  });
}
