/**
 * Compares two versions of Sallyport by the order of Semantic Versioning. Returns a negative number when `a` is older, 0
 * when they are equal, and a positive number when `a` is newer. A text that is not a version is older than every version.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (left === null || right === null) return Number(left !== null) - Number(right !== null);
  for (const [at, part] of left.release.entries()) {
    const difference = part - (right.release[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePrereleases(left.prerelease, right.prerelease);
}

/** Whether a text is a version, such as `0.3.0` or `0.3.0-rc.1`. */
export const isVersion = (text: string): boolean => parse(text) !== null;

interface Version {
  readonly release: readonly number[];
  /** Empty: a release. */
  readonly prerelease: readonly string[];
}

function parse(text: string): Version | null {
  if (text.length > longest) return null;
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?$/.exec(
    text,
  );
  if (match === null) return null;
  const [, major, minor, patch, prerelease] = match;
  return { release: [major, minor, patch].map(Number), prerelease: prerelease?.split('.') ?? [] };
}

const longest = 64;

/** A version with a prerelease is older than the release. Numbers are older than words, and fewer parts than more. */
function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Number(a.length === 0) - Number(b.length === 0);
  for (const [at, left] of a.entries()) {
    const right = b[at];
    if (right === undefined) return 1;
    const [leftNumber, rightNumber] = [left, right].map((part) => /^\d+$/.test(part));
    if (leftNumber !== rightNumber) return leftNumber ? -1 : 1;
    const difference = leftNumber ? Number(left) - Number(right) : Number(left > right) - Number(left < right);
    if (difference !== 0) return difference;
  }
  return a.length === b.length ? 0 : -1;
}
