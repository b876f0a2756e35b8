import { readFileSync } from 'node:fs';

/** Open files that this process may have at once, as the system says; where it does not, the least that systems give. */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER;
    return soft === undefined ? least : Number(soft);
  } catch {
    return least;
  }
}

const least = 256;
