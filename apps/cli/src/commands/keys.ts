import { type ApiKey, CreateApiKey } from '@sallyport/contract';
import type { Command } from 'commander';
import { exitCodes, Failure, usage } from '../failure.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';
import { choice, writes } from './options.ts';

type Role = 'OWNER' | 'ADMIN' | 'AUDITOR';

interface CreateFlags {
  readonly role: Role;
  readonly expires?: string;
  readonly keyOnly?: boolean;
}

/** Roles that a new key can have. */
export const keyRoles: readonly Role[] = CreateApiKey.shape.role.unwrap().options;

/** Adds `sally keys …`. */
export function addKeys(program: Command, session: Session): void {
  const group = program.command('keys').alias('key').description('API keys of this tenant');
  group
    .command('list')
    .description('list API keys (not the keys themselves)')
    .action(async () => {
      const answer = await (await session.api()).call('listApiKeys');
      session.show(answer, (keys) => session.table(columns, keys));
    });
  const create = group
    .command('create')
    .argument('<name>')
    .description('create an API key; it is shown once')
    .addOption(choice('--role <role>', 'role of the key', keyRoles).default('ADMIN'))
    .option('--expires <when>', 'a time (2027-01-31T12:00:00Z) or a span from now (90d, 12h)')
    .option('--key-only', 'print the key and nothing else');
  writes(create, 'createApiKey').action(async (name: string, flags: CreateFlags & WriteFlags) => {
    const expiresAt = flags.expires === undefined ? {} : { expiresAt: expiry(flags.expires, session.io.now()) };
    const body = { name, role: flags.role, ...expiresAt };
    const answer = await session.write('createApiKey', flags, { body });
    if (answer !== undefined)
      showNewKey(session, answer.body, flags.keyOnly === true, () => session.show(answer, () => ''));
  });
  const remove = group
    .command('delete')
    .argument('<key>', 'name or id')
    .description('delete an API key; it stops working at once');
  writes(remove, 'deleteApiKey').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.key, text);
    const answer = await session.write('deleteApiKey', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted API key ${clean(text)}.\n`);
  });
}

/** Prints a key, which is shown only once: alone, as JSON, or with an explanation. */
export function showNewKey(session: Session, created: ApiKey, keyOnly: boolean, asAnswered: () => void): void {
  if (created.key === undefined) throw new Failure(exitCodes.failed, 'The controller did not answer with the key');
  if (keyOnly) session.out(`${created.key}\n`);
  else if (session.json) asAnswered();
  else {
    session.out(
      session.details([
        ['Name', created.name],
        ['Id', created.id],
        ['Role', created.role],
        ['Expires', created.expiresAt === undefined ? 'never' : moment(created.expiresAt)],
        ['Key', created.key],
      ]),
    );
    session.note('The key is shown only now. Store it in a safe place; `sally login` reads it from standard input.');
  }
}

/** Converts a time or a span from now, such as `90d` or `12h`, to ISO 8601. */
export function expiry(text: string, now: Date): string {
  const span = /^([1-9][0-9]{0,4})([dh])$/.exec(text);
  const time =
    span === null ? Date.parse(text) : now.getTime() + Number(span[1]) * (span[2] === 'd' ? 86_400_000 : 3_600_000);
  if (Number.isNaN(time))
    throw usage(`Not a time or a span: ${text}`, 'Give a value such as 2027-01-31T12:00:00Z, 90d or 12h.');
  if (time <= now.getTime()) throw usage(`${text} is in the past`);
  return new Date(time).toISOString();
}

const columns: readonly Column<ApiKey>[] = [
  { heading: 'NAME', cell: (k) => k.name },
  { heading: 'ROLE', cell: (k) => k.role },
  { heading: 'PREFIX', cell: (k) => k.prefix },
  { heading: 'EXPIRES', cell: (k) => (k.expiresAt === undefined ? 'never' : moment(k.expiresAt)) },
  { heading: 'LAST USED', cell: (k) => moment(k.lastUsedAt) },
  { heading: 'ID', cell: (k) => k.id },
];
