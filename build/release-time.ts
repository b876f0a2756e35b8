import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, version } from '@sallyport/program/place';

/** Returns the epoch seconds of the date that the changelog gives this version. Everything in a package has this time. */
export function releaseTime(): number {
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const date = new RegExp(`^## ${version.replaceAll('.', '\\.')} \\((\\d{4}-\\d{2}-\\d{2})\\)$`, 'm').exec(text)?.[1];
  if (date === undefined) throw new Error(`CHANGELOG.md has no date for version ${version}`);
  return Date.parse(date) / 1000;
}
