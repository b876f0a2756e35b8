import { timeoutText } from '../firewall/render.ts';
import type { RelayContent, RelayElement } from './pairs.ts';
import { RELAY_MAPS } from './ruleset.ts';

/**
 * Returns one transaction from the kernel's content to the wanted content, or null if nothing differs. Objects are
 * added before the elements that refer to them, and removed after those. nft cannot change a value in place, and a
 * timed element may already be gone: see `renderChanges` of the firewall.
 */
export function relayChange(table: string, before: RelayContent, after: RelayContent, now: number): string | null {
  const gone: string[] = [];
  const come: string[] = [];
  for (const { name, timed } of RELAY_MAPS) {
    const had = before.maps[name];
    const wants = after.maps[name];
    const stale = [...had].filter(([key, element]) => !same(element, wants.get(key)));
    const fresh = [...wants].filter(([key, element]) => !same(element, had.get(key)));
    if (timed) {
      const revived = stale.map(([key, { value }]) => `${key} : ${value}`);
      gone.push(...elements(table, 'add', name, revived));
    }
    gone.push(
      ...elements(
        table,
        'delete',
        name,
        stale.map(([key]) => key),
      ),
    );
    come.push(
      ...elements(
        table,
        'add',
        name,
        fresh.map(([key, element]) => elementText(key, element, now)),
      ),
    );
  }
  const lines = [
    ...added(before.limits, after.limits).map((name) => `add limit ${table} ${name} ${after.limits.get(name)}`),
    ...added(before.counters, after.counters).map((name) => `add counter ${table} ${name}`),
    ...gone,
    ...come,
    ...added(after.limits, before.limits).map((name) => `delete limit ${table} ${name}`),
    ...added(after.counters, before.counters).map((name) => `delete counter ${table} ${name}`),
  ];
  return lines.length === 0 ? null : lines.map((line) => `${line}\n`).join('');
}

type Names = { has(name: string): boolean; keys(): Iterable<string> };

function added(before: Names, after: Names): string[] {
  return [...after.keys()].filter((name) => !before.has(name));
}

function same(a: RelayElement | undefined, b: RelayElement | undefined): boolean {
  return a?.value === b?.value && a?.expiresAt === b?.expiresAt;
}

function elementText(key: string, { value, expiresAt }: RelayElement, now: number): string {
  const timeout = expiresAt === null ? '' : ` timeout ${timeoutText(Math.max(1, Math.floor(expiresAt - now)))}`;
  return `${key}${timeout} : ${/^(limit_|from_)/.test(value) ? `"${value}"` : value}`;
}

function elements(table: string, verb: 'add' | 'delete', map: string, texts: readonly string[]): string[] {
  const lines: string[] = [];
  for (let start = 0; start < texts.length; start += CHUNK) {
    lines.push(`${verb} element ${table} ${map} { ${texts.slice(start, start + CHUNK).join(', ')} }`);
  }
  return lines;
}

const CHUNK = 500;
