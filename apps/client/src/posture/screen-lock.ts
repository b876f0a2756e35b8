const group = 'org/gnome/desktop/screensaver';
const key = 'lock-enabled';

/**
 * Returns whether this machine enforces screen locks, by dconf's system databases (dconf(7)). `keyfiles` are the texts
 * of a database's files in order, `locks` those in its `locks` folder. Null means that users decide; their choice is
 * not visible outside of their sessions.
 */
export function enforcedScreenLock(keyfiles: readonly string[], locks: readonly string[]): boolean | null {
  const locked = locks.some((text) => text.split('\n').some((line) => line.trim() === `/${group}/${key}`));
  if (!locked) return null;
  const values = keyfiles.flatMap(valuesOf);
  return values.at(-1) ?? null;
}

function valuesOf(text: string): boolean[] {
  let inGroup = false;
  const values: boolean[] = [];
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    const section = /^\[(.*)\]$/.exec(line)?.[1];
    if (section !== undefined) inGroup = section.replace(/^\/|\/$/g, '') === group;
    const [, value] = new RegExp(`^${key}\\s*=\\s*(true|false)$`).exec(line) ?? [];
    if (inGroup && value !== undefined) values.push(value === 'true');
  }
  return values;
}
