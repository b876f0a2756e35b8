import { didYouMean } from '@sallyport/contract/text';

export { clean, cleanLines, didYouMean, jsonLine, safeJson, shellWord } from '@sallyport/contract/text';

/** Returns a hint: similar names, and the command that lists all. */
export function hintFor(text: string, names: Iterable<string>, where: string): string {
  const like = didYouMean(text, names);
  return like === undefined ? where : `${like} ${where}`;
}

/** Returns the terminal columns of `text`: none for combining marks, two for wide East Asian characters and emoji. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text))
    width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** Formats an ISO 8601 time for people: seconds, UTC. */
export function moment(iso: string | null | undefined): string {
  return iso === null || iso === undefined ? '-' : iso.replace('T', ' ').replace(/(\.[0-9]+)?Z$/, 'Z');
}

/** Formats bytes in powers of 1024. */
export function byteCount(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TiB`;
}

const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
