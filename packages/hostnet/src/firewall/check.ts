import type { ElementChange, Elements } from './elements.ts';
import { alive, isUndeletable } from './render.ts';

/** A map or set, and what changed in it. */
export interface TouchedMap {
  readonly map: Elements;
  readonly changes: readonly ElementChange[];
}

/**
 * Two transactions for `nft --check`, which the kernel tries and never commits. The first succeeds only if every touched
 * element that should be there is, and none that should not; the second only if those that are there have the right
 * value. So a change is verified at a cost that does not depend on the size of the maps (`nft get element` answers
 * neither for absent elements nor, in version 1.0.6, for ranges or in JSON).
 * Null: the tools cannot tell, list the table instead.
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
        // Whatever value: the element must be absent. Any counter will do for an object map.
        const value = map.name === 'allowed' ? 'drop_spoofed' : before.value;
        creations.push(`create element ${table} ${map.kernelName} { ${key}${valueText(value)} }`);
      }
    }
  }
  // Deletions first: a range that was cut up overlaps its own pieces.
  return [existence.concat(creations), values]
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`);
}

function valueText(value: string | null): string {
  if (value === null) return '';
  return /^[a-z]/.test(value) ? ` : "${value}"` : ` : ${value}`;
}
