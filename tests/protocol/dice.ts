/** Returns seeded numbers in [0, 1): a linear congruential generator of 48 bits, like POSIX drand48. */
export function dice(seed: number): () => number {
  let state = (BigInt(seed) << 16n) | 0x330en;
  return () => {
    state = (state * 0x5deece66dn + 0xbn) & 0xffff_ffff_ffffn;
    return Number(state >> 16n) / 2 ** 32;
  };
}

/** Returns one of several choices. */
export function pick<T>(roll: () => number, choices: readonly T[]): T {
  const choice = choices[Math.floor(roll() * choices.length)];
  if (choice === undefined) throw new Error('there is nothing to choose from');
  return choice;
}
