import type { SignInSettings } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { usage } from '../failure.ts';
import type { Session, WriteFlags } from '../session.ts';
import { choice, count, given, repeated, writes } from './options.ts';

interface SignInFlags {
  readonly slug?: string;
  readonly method?: string[];
  readonly secondFactor?: SignInSettings['secondFactor'];
  readonly idle?: string;
  readonly absolute?: string;
  readonly notices?: string;
}

/** Adds `sally settings sign-in …`. */
export function addSignInSettings(settings: Command, session: Session): void {
  const group = settings.command('sign-in').description('how users of this tenant sign in');
  group
    .command('get')
    .description('show how users sign in')
    .action(async () => showSignIn(session, await (await session.api()).call('getSignInSettings')));
  const set = group
    .command('set')
    .description('change the given fields and keep the others')
    .option('--slug <name>', 'short name that users type when the controller serves several tenants')
    .addOption(repeated('--method <method>', 'allowed method: passkey, password or provider'))
    .addOption(choice('--second-factor <when>', 'whether a password needs a second factor', ['OPTIONAL', 'REQUIRED']))
    .option('--idle <minutes>', 'a session ends after this time without a request')
    .option('--absolute <hours>', 'a session always ends after this time')
    .addOption(choice('--notices <which>', 'mail to users about their own accounts', ['METHODS', 'ALL', 'NONE']));
  writes(set, 'updateSignInSettings').action(async (flags: SignInFlags & WriteFlags) => {
    const body = given({
      slug: flags.slug,
      methods: flags.method?.map(methodOf),
      secondFactor: flags.secondFactor,
      idleMinutes: count('--idle', flags.idle),
      absoluteHours: count('--absolute', flags.absolute),
      notices: flags.notices === undefined ? undefined : noticesOf(flags.notices),
    });
    if (Object.keys(body).length === 0) throw usage('No change is named', 'See: sally settings sign-in set --help');
    const answer = await session.write('updateSignInSettings', flags, { body });
    if (answer !== undefined) showSignIn(session, answer);
  });
}

/** `ALL`: also sign-ins from a new place. */
const noticesOf = (which: string): SignInSettings['notices'] =>
  which === 'ALL' ? ['METHODS', 'SESSIONS'] : which === 'METHODS' ? ['METHODS'] : [];

function methodOf(text: string): SignInSettings['methods'][number] {
  const method = text.toUpperCase();
  if (method === 'PASSKEY' || method === 'PASSWORD' || method === 'PROVIDER') return method;
  throw usage(`Not a sign-in method: ${text}`, 'Give passkey, password or provider.');
}

function showSignIn(session: Session, answer: Answer<SignInSettings>): void {
  session.show(answer, (settings) =>
    session.details([
      ['Short name', settings.slug],
      ['Methods', settings.methods.join(', ').toLowerCase()],
      ['Second factor', settings.secondFactor.toLowerCase()],
      ['Idle limit', `${settings.idleMinutes} minutes`],
      ['Absolute limit', `${settings.absoluteHours} hours`],
      ['Notices', settings.notices.join(', ').toLowerCase() || 'none'],
    ]),
  );
}
