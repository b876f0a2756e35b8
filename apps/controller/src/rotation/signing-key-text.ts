import type { SigningKeyStatus } from './signing-key.ts';

/** Describes the rotation of the signing key for people. */
export function signingKeyText(status: SigningKeyStatus, step: 'look' | 'rotate' | 'finish'): string {
  const { current, earlier, agents, waiting } = status;
  const rows = [
    ['Key', current],
    ...(earlier === null ? [] : [['Old key', earlier]]),
    ...(agents === null ? [] : [['Agents', `${agents.followed} know the new key, ${agents.waiting} do not yet`]]),
  ];
  const table = rows.map(([label = '', text]) => `  ${label.padEnd(8)} ${text}\n`).join('');
  const listed = waiting.map(({ role, name, id, tenant }) => `    ${role} ${name} (${id}), tenant ${tenant}\n`);
  const left = (agents?.waiting ?? 0) - waiting.length;
  const more = left > 0 ? `    and ${left} more\n` : '';
  return `${headings[step](status)}\n${table}${listed.join('')}${more}${next(status, step)}`;
}

const headings = {
  look: ({ earlier }: SigningKeyStatus) =>
    earlier === null ? 'The signing key is not being replaced.' : 'The signing key is being replaced.',
  rotate: () => 'The signing key was replaced.',
  finish: () => 'The old signing key was forgotten.',
} as const;

function next({ earlier, agents }: SigningKeyStatus, step: 'look' | 'rotate' | 'finish'): string {
  if (step === 'finish')
    return agents?.waiting === 0
      ? 'Make a backup now: sally operator backup FILE\n'
      : 'Agents of this version follow when they connect. Upgrade older ones, and enrol them again if they are refused.\nMake a backup now: sally operator backup FILE\n';
  if (earlier === null) return 'To replace it: sally operator rotate-signing-key\n';
  return 'See who has followed: sally operator rotate-signing-key --dry-run\nTo forget the old key: sally operator rotate-signing-key --finish\n';
}
