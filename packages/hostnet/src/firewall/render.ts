import type { Element, ElementChange, Elements } from './elements.ts';

/** Number of elements in one nft command: large enough to keep commands few, small enough for a readable error. */
const CHUNK = 500;

/** Returns commands that fill a new map. It leaves out expired elements. */
export function renderAll(table: string, map: Elements, now: number): string[] {
  const elements = [...map.current].filter(([, element]) => alive(element, now));
  return command(
    'add',
    table,
    map.kernelName,
    elements.map(([key, element]) => elementText(key, element, now)),
  );
}

/**
 * Returns commands that change a map. nft cannot change a value in place (EEXIST), so the text deletes and adds the
 * element. The kernel may have dropped a timed element, and deleting an absent element (ENOENT) fails the whole
 * transaction. So the text adds the old element first. That changes nothing if the element is present, and makes the
 * deletion valid if it is absent.
 */
export function renderChanges(table: string, map: Elements, changes: readonly ElementChange[], now: number): string[] {
  const gone = changes.filter(({ before }) => before !== null);
  if (gone.some(({ key }) => isUndeletable(key)))
    return [`flush map ${table} ${map.kernelName}`, ...renderAll(table, map, now)];
  const come = changes.filter(({ after }) => after !== null && alive(after, now));
  const revive = map.timed ? gone.map(({ key, before }) => valueText(key, before as Element)) : [];
  return [
    ...command('add', table, map.kernelName, revive),
    ...command(
      'delete',
      table,
      map.kernelName,
      gone.map(({ key }) => key),
    ),
    ...command(
      'add',
      table,
      map.kernelName,
      come.map(({ key, after }) => elementText(key, after as Element, now)),
    ),
  ];
}

/**
 * Detects a deletion that nft 1.0.6 accepts but does not perform: a range that holds only the greatest value of its
 * type. Such a change empties and refills the map in the same transaction.
 */
export function isUndeletable(key: string): boolean {
  return key === '65535-65535' || key === `${LAST_V4}-${LAST_V4}` || key === `${LAST_V6}-${LAST_V6}`;
}

const LAST_V4 = '255.255.255.255';
const LAST_V6 = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

/** Returns whether an element still has a millisecond or more to live. */
export function alive(element: Element, now: number): boolean {
  return element.expiresAt === null || element.expiresAt - now >= 1;
}

function elementText(key: string, element: Element, now: number): string {
  if (element.expiresAt === null) return valueText(key, element);
  const timeout = timeoutText(Math.floor(element.expiresAt - now));
  return element.value === null ? `${key} timeout ${timeout}` : `${key} timeout ${timeout} : ${quoted(element.value)}`;
}

/** Returns a timeout as nft text. nft accepts eight digits before a unit, the kernel slightly over a hundred years. */
export function timeoutText(ms: number): string {
  const bounded = Math.min(ms, LONGEST_DAYS * DAY_MS);
  if (bounded < DAY_MS) return `${bounded}ms`;
  return `${Math.floor(bounded / DAY_MS)}d${bounded % DAY_MS}ms`;
}

const DAY_MS = 86_400_000;
const LONGEST_DAYS = 9999;

function valueText(key: string, { value }: Element): string {
  return value === null ? key : `${key} : ${quoted(value)}`;
}

/** Counter names are the only values that are not numbers. */
function quoted(value: string): string {
  return value.startsWith('policy.') ? `"${value}"` : value;
}

function command(verb: 'add' | 'delete', table: string, map: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let start = 0; start < elements.length; start += CHUNK) {
    lines.push(`${verb} element ${table} ${map} { ${elements.slice(start, start + CHUNK).join(', ')} }`);
  }
  return lines;
}
