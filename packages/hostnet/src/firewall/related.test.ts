import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';

/**
 * Follows every way through the ruleset text. Returns the rules that accept an error before the sender has been looked
 * up. An error is "related" to the flow that it quotes, and any peer in the tunnel can write one.
 */
function undecided(text: string): string[] {
  const chains = new Map<string, string[]>();
  const bases: string[] = [];
  for (const line of text.split('\n')) {
    const [, name = '', hook] = /^add chain inet \S+ (\S+)(?: \{ type (\S+ hook \S+))?/.exec(line) ?? [];
    if (hook?.startsWith('filter')) bases.push(name);
    const [, chain = '', rule] = /^add rule inet \S+ (\S+) (.*)$/.exec(line) ?? [];
    if (rule !== undefined) chains.set(chain, [...(chains.get(chain) ?? []), rule]);
  }
  const found = new Set<string>();
  const walk = (chain: string, decided: boolean): void => {
    let known = decided;
    for (const rule of chains.get(chain) ?? []) {
      const here = known || SENDER.test(rule);
      if (ERRORS.test(rule) && /\baccept$/.test(rule) && !here) found.add(`${chain}: ${rule}`);
      const [, target] = /\b(?:jump|goto) (\w+)/.exec(rule) ?? [];
      // A look-up of the sender decides for all later rules if they match on its result. A match decides only for its
      // own rule.
      if (target !== undefined) walk(target, here || outside(chain, rule));
      if (LOOKED_UP.test(rule) || ENDS_TUNNEL.test(rule)) known = true;
    }
  };
  for (const base of bases) walk(base, false);
  return [...found];
}

/** Matches error messages as our rules name them, and any accept of related packets. */
const ERRORS = /destination-unreachable|ct state related(?! ip)/;
const SENDER = /\bip6? saddr @gateways|set ip6? saddr map @\w+ goto/;
/** Matches rules after which a register holds the mark or the class of the sender, and later rules match on it. */
const LOOKED_UP = /set ip6 saddr map @|fib saddr oifname/;
/** Matches rules after which no packet out of the tunnel remains. Later packets come from this host or its network. */
const ENDS_TUNNEL = /^iifname "sp0" goto/;

/** The output hook sees only packets that this host sends itself. */
function outside(chain: string, rule: string): boolean {
  return chain === 'output' && /^(oifname "sp0"|meta mark 0x0c000000) goto/.test(rule);
}

const golden = readFileSync(new URL('golden/load.nft', import.meta.url), 'utf8');

it('no rule accepts an error before the sender has been looked up', () => {
  assert.deepEqual(undecided(golden), []);
});

it('the check finds rules that accept an error too early', () => {
  const door = golden.replaceAll('goto turned_a', 'goto to_tunnel_a');
  assert.equal(undecided(door).length, 2, 'replies that turn round, checked as those of the network');
  const early = golden.replace(
    /add rule inet sallyport_sp0 egress_in_a meta mark set ip daddr/,
    'add rule inet sallyport_sp0 egress_in_a ct state related jump egress_errors_a\n$&',
  );
  assert.equal(undecided(early).length, 2, 'answers to egress, before it is known who answers');
});
