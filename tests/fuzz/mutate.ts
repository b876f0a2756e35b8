/** Ways to spoil valid samples. All of them take random numbers in [0, 1) from `random`. */

type Random = () => number;

/** Returns a whole number from 0 to below `sides`. */
export function below(random: Random, sides: number): number {
  return Math.floor(random() * sides);
}

/** Returns one of several choices. */
export function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[below(random, choices.length)];
  if (choices.length === 0) throw new Error('there is nothing to choose from');
  return choice as T;
}

/** Returns a number from 1 to `most`; small numbers are likely, `most` is rare. */
export function size(random: Random, most: number): number {
  return Math.max(1, Math.floor(most ** random()));
}

/** Returns random bytes. */
export function bytes(random: Random, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => below(random, 256)));
}

const oddTexts = [
  '',
  ' ',
  '\0',
  '\n',
  '\u001b[2J',
  '\u202e',
  '\ud800',
  '{}',
  '[]',
  '"',
  '\\',
  '../../etc/passwd',
  '0',
  '-1',
  '1e999',
  'NaN',
  'true',
  '__proto__',
  'constructor',
  '0.0.0.0/0',
  '::/0',
  '%00',
  '\uff11',
];
const oddNumbers = [0, -0, -1, 1, 0.5, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300, 1e-300];

/** Returns a text that is long, odd, or random. */
export function oddText(random: Random): string {
  if (random() < 0.4) return pick(random, oddTexts);
  if (random() < 0.5)
    return pick(random, ['a', '0', '[', '(', '\ud83d\ude00', '\0', '/']).repeat(size(random, 100_000));
  return bytes(random, size(random, 300)).toString(pick(random, ['latin1', 'utf8', 'base64', 'hex'] as const));
}

/** Returns any JSON value, often an unexpected one: deep, wide or odd. */
export function oddJson(random: Random): unknown {
  const kinds: (() => unknown)[] = [
    () => null,
    () => random() < 0.5,
    () => pick(random, oddNumbers),
    () => oddText(random),
    () => wide(random),
    () => Object.fromEntries(Array.from({ length: size(random, 20_000) }, (_, i) => [`${i}`, i])),
    () => nested(size(random, 800), random() < 0.5),
    () => JSON.parse(`{"__proto__": {"polluted": true}, "x": ${below(random, 9)}}`),
  ];
  return pick(random, kinds)();
}

function wide(random: Random): unknown[] {
  const make = pick(random, [() => 0, () => '', () => null, () => ({}), () => []]);
  return Array.from({ length: size(random, mostValues) }, make);
}

function nested(depth: number, list: boolean): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = list ? [value] : { x: value };
  return value;
}

/** Returns a copy of a JSON value with at least one spoilt part. */
export function spoiltJson(random: Random, sample: unknown): unknown {
  let value = structuredClone(sample);
  for (let left = size(random, 4); left > 0 && weight(value, mostValues) < mostValues; left--)
    value = spoilOnce(random, value);
  return value;
}

/** Generation must be cheap, because it is measured too. */
const mostValues = 40_000;

/** Counts values within a value, up to a limit; characters count a little. */
function weight(value: unknown, limit: number): number {
  let count = 1;
  if (typeof value === 'string') return 1 + value.length / 20;
  if (typeof value !== 'object' || value === null) return count;
  for (const key in value) {
    if (count >= limit) break;
    count += weight((value as Record<string, unknown>)[key], limit - count);
  }
  return count;
}

function repeat(list: unknown[], index: number, times: number): void {
  const most = Math.floor(mostValues / weight(list[index], mostValues));
  // Copies, so that a change of one does not change all.
  for (let left = Math.min(times, most); left > 0; left--) list.push(structuredClone(list[index]));
}

function spoilOnce(random: Random, value: unknown): unknown {
  const places = placesOf(value);
  if (places.length === 0 || random() < 0.03) return oddJson(random);
  const { parent, key } = pick(random, places);
  const action = random();
  if (Array.isArray(parent)) {
    const index = Number(key);
    if (action < 0.25) parent.splice(index, 1);
    else if (action < 0.5) repeat(parent, index, size(random, 50_000));
    else parent[index] = random() < 0.5 ? oddJson(random) : near(random, parent[index]);
  } else if (action < 0.2) delete parent[key];
  else if (action < 0.3) parent[pick(random, ['extra', '', 'x'.repeat(500), 'toString'])] = oddJson(random);
  else parent[key] = random() < 0.5 ? oddJson(random) : near(random, parent[key]);
  return value;
}

/** Returns a similar value: one that has the right type and may break later steps. */
function near(random: Random, value: unknown): unknown {
  if (typeof value === 'number') return random() < 0.5 ? pick(random, oddNumbers) : value + below(random, 5) - 2;
  if (typeof value === 'string') return spoiltText(random, value);
  return typeof value === 'boolean' ? !value : oddJson(random);
}

interface Place {
  readonly parent: Record<string, unknown>;
  readonly key: string;
}

function placesOf(value: unknown, depth = 8): Place[] {
  if (depth === 0 || typeof value !== 'object' || value === null) return [];
  const parent = value as Record<string, unknown>;
  // A few entries of a wide container suffice.
  const keys = Object.keys(parent).slice(0, 50);
  return keys.flatMap((key) => [{ parent, key }, ...placesOf(parent[key], depth - 1)]);
}

/** Returns a copy of a text with parts removed, doubled, replaced or inserted. */
export function spoiltText(random: Random, sample: string): string {
  let text = sample;
  for (let left = size(random, 6); left > 0; left--) {
    const from = below(random, text.length + 1);
    const to = Math.min(text.length, from + size(random, 40));
    const action = random();
    if (action < 0.25) text = text.slice(0, from) + text.slice(to);
    else if (action < 0.5)
      text = text.slice(0, from) + text.slice(from, to).repeat(size(random, 2_000)) + text.slice(to);
    else if (action < 0.75) text = text.slice(0, from) + oddText(random) + text.slice(to);
    else text = text.slice(0, from) + String.fromCharCode(below(random, 128)) + text.slice(Math.min(to, from + 1));
  }
  return text;
}

/** Returns a copy of bytes with bits flipped and parts removed, doubled or replaced. */
export function spoiltBytes(random: Random, sample: Uint8Array): Buffer {
  let result = Buffer.from(sample);
  for (let left = size(random, 8); left > 0; left--) {
    const from = below(random, result.length + 1);
    const to = Math.min(result.length, from + size(random, 40));
    const action = random();
    if (action < 0.7 && result.length > 0) {
      const at = Math.min(from, result.length - 1);
      result[at] =
        random() < 0.5 ? (result[at] as number) ^ (1 << below(random, 8)) : pick(random, [0, 1, 0x7f, 0x80, 0xff]);
    } else if (action < 0.8) result = Buffer.concat([result.subarray(0, from), result.subarray(to)]);
    else if (action < 0.9) result = Buffer.concat([result.subarray(0, to), result.subarray(from)]);
    else result = Buffer.concat([result.subarray(0, from), bytes(random, size(random, 64)), result.subarray(to)]);
  }
  return result;
}
