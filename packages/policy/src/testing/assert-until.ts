import fc from 'fast-check';

/** Most times that a property is tried as a whole. */
const mostRounds = 20;

/**
 * Asserts a property, and again with other random values until the test has seen what it is about: a property of which few
 * values are of interest may miss them by chance.
 */
export function assertUntil<T>(seen: () => boolean, property: fc.IProperty<T>, parameters?: fc.Parameters<T>): void {
  for (let round = 0; round === 0 || (round < mostRounds && !seen()); round++) fc.assert(property, parameters);
}
