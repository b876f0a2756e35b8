/** Returns the steps that an operator or a function costs in addition to its own step, by the sizes of its operands. */
export function weightOf(name: string, values: readonly unknown[]): number {
  const [left, right] = values;
  switch (name) {
    case '==':
    case '!=':
      return Math.min(sizeOf(left), sizeOf(right));
    case 'in':
      return Array.isArray(right) ? right.length * (1 + sizeOf(left)) : 0;
    case 'contains':
      // A JavaScript text search may compare each character with each.
      return Math.ceil((lengthOf(left) * lengthOf(right)) / charactersPerStep);
    case 'inCidr':
    case 'inCountry':
    case 'onWeekdays':
      return parseSteps * values.flat().length;
    case 'before':
    case 'after':
    case 'between':
      return parseSteps * values.length;
    default:
      return values.reduce<number>((sum, value) => sum + lengthOf(value) / charactersPerStep, 0);
  }
}

/** Returns whether `+` joins such a value. Joined values could double with each step. */
export function isJoined(value: unknown): boolean {
  return typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array;
}

/** Returns the steps of reading a whole value. Repeated elements of a list count each time. */
function sizeOf(value: unknown, most = 100_000): number {
  if (typeof value === 'string') return value.length / charactersPerStep;
  if (typeof value !== 'object' || value === null) return 0;
  let size = 0;
  for (const element of Object.values(value)) {
    if (size > most) break;
    size += 1 + sizeOf(element, most - size);
  }
  return size;
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}

const charactersPerStep = 32;
/** Steps of parsing an address, a country, a weekday or a time. */
const parseSteps = 20;
