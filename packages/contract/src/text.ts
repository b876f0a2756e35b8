/*
 * Functions for text from other parties: names, reports of devices, error messages. Every program passes such text through
 * one of them before it reaches a terminal, file or log. The module imports nothing, so that small commands start fast.
 */

/**
 * Characters that a terminal or reader does not show as themselves: controls (C0, DEL, C1), direction overrides,
 * zero-width and other invisible characters, line and paragraph separators, and half surrogate pairs.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Replaces each deceptive character and line end with a space. The result is one line. */
export function clean(text: string): string {
  return text.replace(deceptive, ' ');
}

/** Replaces deceptive characters but keeps line ends. With `colour`, it also keeps colour sequences. */
export function cleanLines(text: string, { colour = false } = {}): string {
  const parts = colour ? text.split(/(\u001b\[[0-9;]{1,20}m)/) : [text];
  return parts
    .map((part, index) => (index % 2 === 1 ? part : part.replace(deceptive, (found) => (found === '\n' ? found : ' '))))
    .join('');
}

/** Returns JSON with deceptive characters escaped. It has the same value and is safe to print. */
export function safeJson(json: string): string {
  return json.replace(deceptive, (found) => (/[\t\n\r]/.test(found) ? found : escaped(found)));
}

/** Returns one JSON line for `value` that is safe to print. */
export function jsonLine(value: unknown): string {
  return `${safeJson(JSON.stringify(value))}\n`;
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => unit(character.charCodeAt(index))).join('');
}

const unit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;

/** Quotes a word for a POSIX shell, which then reads exactly `text`. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Returns up to three names that are similar to an unknown text, most similar first. */
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

/** Returns `Did you mean berlin or paris?`, or undefined if no name is similar. */
export function didYouMean(text: string, names: Iterable<string>): string | undefined {
  const found = similar(text, names).map((name) => shellWord(clean(name)));
  const last = found.pop();
  if (last === undefined) return undefined;
  return `Did you mean ${found.length === 0 ? last : `${found.join(', ')} or ${last}`}?`;
}

/** Returns a message about typed text, followed by suggestions. */
export function withHint(message: string, typed: string, names: Iterable<string>): string {
  const like = typed === '' ? undefined : didYouMean(typed, names);
  return like === undefined ? message : `${message}. ${like}`;
}

/** Returns the edit distance of two texts. Insertions, deletions, replacements and swaps of neighbours count one each. */
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
