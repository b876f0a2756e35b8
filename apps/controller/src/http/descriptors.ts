import { readFileSync } from 'node:fs';

/**
 * Returns how many files this process may have open at once, as the system reports; else the usual minimum of systems.
 */
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
