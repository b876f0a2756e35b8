import type { EnrolmentKey } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { exitCodes, Failure } from '../failure.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment, shellWord } from '../text.ts';
import { controllerUrl } from './controller-url.ts';
import { installLine } from './install-line.ts';
import { expiry } from './keys.ts';
import { given, writes } from './options.ts';

interface CreateFlags {
  readonly name?: string;
  readonly owner?: string;
  readonly expires?: string;
  readonly keyOnly?: boolean;
}

const EXAMPLES = `
Examples, for a file that only you can read:
  (umask 077; sally enrolment-keys create --owner anna@example.com --key-only > anna.key)
and then, on the device:
  sally up --controller https://… --enrolment-key-file anna.key`;

/** Adds `sally enrolment-keys …`. */
export function addEnrolmentKeys(program: Command, session: Session): void {
  const group = program
    .command('enrolment-keys')
    .alias('enrolment-key')
    .description('keys with which a device enrols; each works once');
  group
    .command('list')
    .description('list the enrolment keys of the last 30 days (not the keys themselves)')
    .action(async () => {
      const answer = await (await session.api()).call('listEnrolmentKeys');
      session.show(answer, (keys) =>
        keys.length === 0
          ? 'There are no enrolment keys. Create one: sally enrolment-keys create\n'
          : session.table(columns(session.io.now()), keys),
      );
    });
  const makes = group
    .command('create')
    .description('create a key for one device; it is shown once')
    .option('--name <name>', 'name of the device (default: its host name)')
    .option('--owner <user>', 'owner of the device, by e-mail address or id')
    .option('--expires <when>', 'a time (2027-01-31T12:00:00Z) or a span from now (default 24h, at most 30d)')
    .option('--key-only', 'print the key and nothing else')
    .addHelpText('after', EXAMPLES);
  writes(makes, 'createEnrolmentKey').action(async (flags: CreateFlags & WriteFlags) => create(session, flags));
  const remove = group
    .command('delete')
    .argument('<key>', 'name or id')
    .description('revoke an enrolment key; a device that has used it stays');
  writes(remove, 'deleteEnrolmentKey').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.enrolmentKey, text);
    const answer = await session.write('deleteEnrolmentKey', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted enrolment key ${clean(text)}.\n`);
  });
}

async function create(session: Session, flags: CreateFlags & WriteFlags): Promise<void> {
  const { name, owner, expires, keyOnly } = flags;
  const api = await session.api();
  const user = owner === undefined ? undefined : await resolveId(api, kinds.user, owner);
  const expiresAt = expires === undefined ? undefined : expiry(expires, session.io.now());
  const answer = await session.write('createEnrolmentKey', flags, { body: given({ name, user, expiresAt }) });
  if (answer === undefined) return;
  if (answer.body.key === undefined) throw new Failure(exitCodes.failed, 'The controller did not answer with the key');
  if (keyOnly === true) session.out(`${answer.body.key}\n`);
  else await showCreated(session, answer);
}

async function showCreated(session: Session, answer: Answer<EnrolmentKey>): Promise<void> {
  session.show(answer, (key) =>
    session.details([
      ['Device', key.name ?? 'named after its host'],
      ['Device id', key.id],
      ['Owner', key.user?.email],
      ['Expires', moment(key.expiresAt)],
      ['Key', key.key],
    ]),
  );
  if (session.json) return;
  const url = await controllerUrl(session);
  const line = await installLine(session, 'client');
  session.note(
    [
      '',
      'The key is shown only now, and works for one device. Copy it to the device in a file, and run there:',
      `  sally up --controller ${shellWord(url)} --enrolment-key-file FILE`,
      ...(line === null
        ? []
        : ['Without Sallyport on the device, this line installs it and asks for the key:', `  ${line}`]),
    ].join('\n'),
  );
}

function columns(now: Date): readonly Column<EnrolmentKey>[] {
  return [
    { heading: 'DEVICE', cell: (k) => k.name ?? '-' },
    { heading: 'OWNER', cell: (k) => k.user?.email ?? '-' },
    { heading: 'STATE', cell: (k) => stateOf(k, now) },
    { heading: 'CREATED', cell: (k) => moment(k.createdAt) },
    { heading: 'EXPIRES', cell: (k) => moment(k.expiresAt) },
    { heading: 'ID', cell: (k) => k.id },
  ];
}

function stateOf({ usedAt, expiresAt }: EnrolmentKey, now: Date): string {
  if (usedAt !== undefined) return `used ${moment(usedAt)}`;
  return Date.parse(expiresAt) <= now.getTime() ? 'expired' : 'unused';
}
