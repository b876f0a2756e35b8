import type { ElementChange, Elements } from './elements.ts';
import { alive, isUndeletable } from './render.ts';

/** A map or set with its changed elements. */
export interface TouchedMap {
  readonly map: Elements;
  readonly changes: readonly ElementChange[];
}

/**
 * Returns two transactions for `nft --check`, which the kernel tries and never commits. The first succeeds only if
 * every touched element is present or absent as wanted. The second succeeds only if each present element has the right
 * value. The cost of this check does not depend on the size of the maps. `nft get element` cannot do this: it gives no
 * answer for absent elements. In version 1.0.6 it gives none for ranges or in JSON either.
 *
 * Returns null if the tools cannot tell; then list the table instead.
 */
export function checkTexts(table: string, touched: readonly TouchedMap[], now: number, slack = 1000): string[] | null {
  if (touched.some(({ changes }) => changes.some(({ key }) => isUndeletable(key)))) return null;
  const existence: string[] = [];
  const values: string[] = [];
  const creations: string[] = [];
  for (const { map, changes } of touched) {
    for (const { key, before, after } of changes) {
      if (after && alive(after, now + slack)) {
        existence.push(`delete element ${table} ${map.kernelName} { ${key} }`);
        values.push(`add element ${table} ${map.kernelName} { ${key}${valueText(after.value)} }`);
      } else if (!after && before) {
        // The element must be absent, so its value does not matter. An object map takes any counter.
        const value = map.name === 'allowed' ? 'drop_spoofed' : before.value;
        creations.push(`create element ${table} ${map.kernelName} { ${key}${valueText(value)} }`);
      }
    }
  }
  // Deletions come first, because a range that was split overlaps its own pieces.
  return [existence.concat(creations), values]
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`);
}

function valueText(value: string | null): string {
  if (value === null) return '';
  return /^[a-z]/.test(value) && !value.includes(':') ? ` : "${value}"` : ` : ${value}`;
}
