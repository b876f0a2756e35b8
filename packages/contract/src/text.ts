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
