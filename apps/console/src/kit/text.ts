/** Returns a span in the largest unit that fits, in words. Negative spans are in the future. */
export function ago(ms: number): string {
  const past = Math.abs(ms) / 1000;
  const [unit, seconds] = units.find(([, size]) => past >= size) ?? ['second', 1];
  const amount = Math.floor(past / seconds);
  if (past < 5) return 'just now';
  const text = new Intl.NumberFormat('en', { style: 'unit', unit, unitDisplay: 'short' }).format(amount);
  return ms < 0 ? `in ${text}` : `${text} ago`;
}

const units: [string, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** Returns a number of things: `1 device`, `2 devices`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

/** Returns bytes in powers of ten with one decimal. */
export function bytes(count: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(names.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return step === 0 ? `${count} B` : `${(count / 1000 ** step).toFixed(1)} ${names[step]}`;
}

const pastVerbs = /^(create|update|delete|remove|activate|deactivate|reactivate|enable|disable|invite|save|revoke)\b/;
const otherVerbs = /^(add|rekey|reorder|reveal|attach|detach|end|accept)\b/;

/** Returns what happened in words: `createPolicy` becomes `created policy`. */
export const words = (operation: string): string =>
  operation
    .replaceAll(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`)
    .replace(pastVerbs, '$1d')
    .replace(otherVerbs, '$1ed')
    .replace(/^transfer\b/, 'transferred');
