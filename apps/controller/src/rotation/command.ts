import { askJson } from '../backup/operator-socket.ts';
import { type RotationCommand, rotationHelp } from './arguments.ts';
import type { MasterKeyStatus } from './master-key.ts';
import type { SigningKeyStatus } from './signing-key.ts';
import { signingKeyText } from './signing-key-text.ts';

/** Carries a command out through the running controller. Returns what to print. Throws OperatorError. */
export async function rotateKey(command: RotationCommand, signal: AbortSignal): Promise<string> {
  const { key, step, dataDir, json } = command;
  if (step === 'help') return rotationHelp[key];
  const request = step === 'look' ? { path: `/${key}` } : { method: 'POST' as const, path: `/${key}/${step}` };
  const status = await askJson<object>({ ...request, dataDir, signal, doing: 'keys are replaced' });
  if (json) return `${JSON.stringify(status)}\n`;
  return key === 'master-key'
    ? masterKeyText(status as MasterKeyAnswer, step)
    : signingKeyText(status as SigningKeyStatus, step);
}

type MasterKeyAnswer = MasterKeyStatus & { readonly keptIn?: string };

function masterKeyText(status: MasterKeyAnswer, step: 'look' | 'rotate' | 'finish'): string {
  const { file, current, earlier, secrets } = status;
  const rows = [
    ['Key file', file],
    ['Key', `${current}, encrypts ${secrets.current} secrets`],
    ...(earlier === null ? [] : [['Old key', `${earlier}, encrypts ${secrets.earlier} secrets`]]),
    ...(secrets.unreadable === 0 ? [] : [['Unreadable', `${secrets.unreadable} secrets: neither key opens them`]]),
  ];
  const table = rows.map(([label = '', text]) => `  ${label.padEnd(11)} ${text}\n`).join('');
  return `${headings[step](status)}\n${table}${next(status, step)}`;
}

const headings = {
  look: ({ earlier }: MasterKeyAnswer) =>
    earlier === null ? 'The master key is not being replaced.' : 'The master key is being replaced.',
  rotate: () => 'The master key was replaced.',
  finish: () => 'The old master key was removed from the key file.',
} as const;

function next({ earlier, secrets, keptIn }: MasterKeyAnswer, step: 'look' | 'rotate' | 'finish'): string {
  if (keptIn !== undefined)
    return `It lies in ${keptIn}. Backups that the controller made before an upgrade open with it. Remove it when you need none of them.\nMake a backup now: sally operator backup FILE\n`;
  if (earlier === null) return step === 'look' ? 'To replace it: sally operator rotate-master-key\n' : '';
  if (secrets.earlier > 0) return 'Run it again to encrypt the rest: sally operator rotate-master-key\n';
  return 'Both keys stay readable. To remove the old one: sally operator rotate-master-key --finish\n';
}
