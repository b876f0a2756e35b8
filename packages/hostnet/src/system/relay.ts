import type { Count } from '../firewall/load.ts';
import { relayChange } from '../relay/change.ts';
import { counterOwner, type RelayContent, relayContent } from '../relay/pairs.ts';
import { RELAY_MAPS, RELAY_RULE_COUNTS, RELAY_TABLE, RELAY_TABLE_NAME, relayRuleset } from '../relay/ruleset.ts';
import type { RelayPair } from '../types.ts';
import { readChains } from './foreign.ts';
import { type RelayListing, readRelay } from './relay-json.ts';
import { failure, output, parseJson, run } from './run.ts';

/** What a pair has forwarded in the kernel since it was first there. */
export interface RelayCount {
  /** From side a to side b. */
  readonly fromA: Count;
  readonly fromB: Count;
}

/**
 * Forwards WireGuard transport data between learned ends, in the kernel: the table `sallyport_relay`, which outlives the
 * process. Handshakes and datagrams of unknown sources go to the socket on the port, as without it. The host must forward
 * (`Host.up`). Calls are carried out one after another; `now` is epoch milliseconds throughout.
 */
export class RelayTable {
  /** What the kernel holds by our own doing; null: it has to be looked at. */
  #held: { readonly content: RelayContent; readonly rules: RelayListing['rules'] } | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  /**
   * Makes the table say exactly these pairs; what is there already is not touched and goes on counting. Resolves with the
   * ids that the kernel forwards, the others are for the socket. Throws HostNetError, `invalid-state` if the pairs
   * contradict each other.
   */
  apply(pairs: readonly RelayPair[], now: number): Promise<ReadonlySet<string>> {
    return this.#enqueue(async () => {
      const wanted = relayContent(pairs, now);
      if (!(await this.#carryOver(wanted, now))) await this.#load(wanted, now);
      return wanted.ids;
    });
  }

  /** By id. Empty if there is no table. */
  counters(): Promise<ReadonlyMap<string, RelayCount>> {
    return this.#enqueue(async () => {
      const result = new Map<string, { fromA: Count; fromB: Count }>();
      for (const [name, count] of (await list('-jt'))?.counts ?? []) {
        const owner = counterOwner(name);
        if (!owner) continue;
        const known = result.get(owner.id) ?? { fromA: NOTHING, fromB: NOTHING };
        result.set(owner.id, { ...known, [owner.side === 'a' ? 'fromA' : 'fromB']: count });
      }
      return result;
    });
  }

  /** One sentence for each thing that is not as last applied by this object. The next `apply` mends it. */
  verify(now: number): Promise<readonly string[]> {
    return this.#enqueue(async () => {
      const held = this.#held;
      const found = await list('-j');
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

  /** One sentence for each foreign chain that may drop what is forwarded: then leave everything to the socket. */
  async obstacles(): Promise<readonly string[]> {
    const answer = parseJson('nft', await output('nft', ['-jt', 'list', 'ruleset']));
    return readChains(answer)
      .filter(({ hook, policy, family }) => hook === 'forward' && policy === 'drop' && family.startsWith('i'))
      .map(({ family, table, name }) => `chain ${name} of table ${family} ${table} drops what is forwarded`);
  }

  /** Removes the table; no error if there is none. */
  remove(): Promise<void> {
    return this.#enqueue(async () => {
      this.#held = null;
      await output('nft', ['-f', '-'], `add table ${RELAY_TABLE}\ndelete table ${RELAY_TABLE}\n`);
    });
  }

  /** False if the kernel does not take the difference. */
  async #carryOver(wanted: RelayContent, now: number): Promise<boolean> {
    const held = this.#held;
    if (held === null) return false;
    const text = relayChange(held.content, wanted, now);
    if (text === null) return true;
    this.#held = null;
    if ((await run('nft', ['-f', '-'], text)).code !== 0) return false;
    this.#held = { content: wanted, rules: held.rules };
    return true;
  }

  /** Builds on what an earlier process left, so that nothing is lost meanwhile; if that does not do, on nothing. */
  async #load(wanted: RelayContent, now: number): Promise<void> {
    this.#held = null;
    const found = await list('-j').catch(() => null);
    const empty = relayContent([], now);
    const text = relayRuleset() + (relayChange(found?.content ?? empty, wanted, now) ?? '');
    if ((await run('nft', ['-f', '-'], text)).code !== 0) {
      const anew = `add table ${RELAY_TABLE}\ndelete table ${RELAY_TABLE}\n${relayRuleset()}`;
      await output('nft', ['-f', '-'], anew + (relayChange(empty, wanted, now) ?? ''));
    }
    this.#held = { content: wanted, rules: (await list('-jt'))?.rules ?? new Map() };
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }
}

const NOTHING: Count = { packets: 0, bytes: 0 };

/** Null if there is no table. */
async function list(flags: '-j' | '-jt'): Promise<RelayListing | null> {
  const result = await run('nft', [flags, 'list', 'table', 'inet', RELAY_TABLE_NAME]);
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

/** The kernel's clock may run ahead of ours by a second. */
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
