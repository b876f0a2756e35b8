/*
 * Text that another party wrote: names, reports of devices, error messages. Every program of ours passes it through one
 * of these functions before it reaches a terminal, a file or a log. This module loads nothing else, so that small
 * commands start fast.
 */

/**
 * Characters that a terminal or reader does not show as themselves: controls (C0, DEL, C1), direction overrides,
 * zero-width and other invisible characters, line and paragraph separators, and half surrogate pairs.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Replaces each deceptive character, line ends included, by a space: the result is one line. */
export function clean(text: string): string {
  return text.replace(deceptive, ' ');
}

/** Cleans text that has line ends of our own. With `colour`, sequences that only set colours stay as well. */
export function cleanLines(text: string, { colour = false } = {}): string {
  const parts = colour ? text.split(/(\u001b\[[0-9;]{1,20}m)/) : [text];
  return parts
    .map((part, index) => (index % 2 === 1 ? part : part.replace(deceptive, (found) => (found === '\n' ? found : ' '))))
    .join('');
}

/** JSON with its deceptive characters escaped: the same value, in a form that is safe to print. */
export function safeJson(json: string): string {
  return json.replace(deceptive, (found) => (/[\t\n\r]/.test(found) ? found : escaped(found)));
}

/** One JSON line for `value`, safe to print. */
export function jsonLine(value: unknown): string {
  return `${safeJson(JSON.stringify(value))}\n`;
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => unit(character.charCodeAt(index))).join('');
}

const unit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;

/** A word of a command line that a POSIX shell reads as exactly `text`. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Names that may have been meant by a text that is none of them, most alike first, three at most. */
function similar(text: string, names: Iterable<string>): string[] {
  const typed = text.toLowerCase();
  const rated = [...new Set(names)].flatMap((name): [string, number][] => {
    const known = name.toLowerCase();
    const contains = typed.length > 1 && (known.includes(typed) || (known.length > 2 && typed.includes(known)));
    const distance = editDistance(typed, known);
    const allowed = Math.max(1, Math.floor(Math.max(typed.length, known.length) / 3));
    return distance <= allowed || contains ? [[name, contains ? Math.min(distance, 1) : distance]] : [];
  });
  return rated
    .toSorted(([a, x], [b, y]) => x - y || a.length - b.length || (a < b ? -1 : 1))
    .slice(0, 3)
    .map(([name]) => name);
}

/** `Did you mean berlin or paris?`; undefined when nothing is alike. */
export function didYouMean(text: string, names: Iterable<string>): string | undefined {
  const found = similar(text, names).map((name) => shellWord(clean(name)));
  const last = found.pop();
  if (last === undefined) return undefined;
  return `Did you mean ${found.length === 0 ? last : `${found.join(', ')} or ${last}`}?`;
}

/** A message about what was typed, with what may have been meant. */
export function withHint(message: string, typed: string, names: Iterable<string>): string {
  const like = typed === '' ? undefined : didYouMean(typed, names);
  return like === undefined ? message : `${message}. ${like}`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two texts, each one step. */
function editDistance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const steps = [(last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (same ? 0 : 1)];
      next.push(Math.min(...steps, ...(swapped ? [(before[column - 2] ?? 0) + 1] : [])));
    }
    [before, last] = [last, next];
  }
  return last[b.length] ?? 0;
}
