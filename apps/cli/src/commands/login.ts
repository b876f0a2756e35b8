import { SignInOptions } from '@sallyport/contract';
import { type Command, Option } from 'commander';
import { type Connection, createClient } from '../client.ts';
import { Failure, usage } from '../failure.ts';
import { checkEncrypted, send } from '../http.ts';
import { readHidden } from '../prompt.ts';
import { readAll, type Session } from '../session.ts';
import {
  checkApiKey,
  checkBasePath,
  checkUrl,
  DEFAULT_URL,
  readStored,
  removeStored,
  resolveTransport,
  writeStored,
} from '../settings.ts';
import { clean } from '../text.ts';
import { allowInBrowser } from './login-browser.ts';
import { given } from './options.ts';

interface LoginFlags {
  readonly apiKey?: boolean;
  readonly browser?: boolean;
  readonly open: boolean;
}

/** Adds `sally login` and `sally logout`. */
export function addLogin(program: Command, session: Session): void {
  program
    .command('login')
    .description('sign in with the browser or an API key, and store the result for this user')
    .addOption(new Option('--browser', 'sign in as a person, in the browser of this host').conflicts('apiKey'))
    .option('--api-key', 'ask for an API key, or read it from standard input')
    .option('--no-open', 'print the address for the browser, and do not open it')
    .addHelpText(
      'after',
      `
On a terminal the browser is the default where people can sign in at the controller.
The command asks for an API key, or reads it from standard input:
  sally login --url https://vpn.example.com < key-file`,
    )
    .action(async (flags: LoginFlags) => login(session, flags));
  program
    .command('logout')
    .description('end the session, and forget the stored address and API key')
    .action(async () => {
      await endStored(session);
      session.note(`No connection is stored in ${await removeStored(session.io.env)} any longer.`);
    });
}

/** A connection without a credential, and the file with its certificate authorities. */
type Place = Connection & { readonly caFile?: string };

async function login(session: Session, { apiKey, browser, open }: LoginFlags): Promise<void> {
  const { flags, io } = session;
  if (flags.apiKeyFile !== undefined) throw usage('login reads the key from standard input', 'sally login < FILE');
  const url = checkUrl(flags.url ?? (io.env.SALLYPORT_URL || DEFAULT_URL));
  const basePath = checkBasePath(flags.basePath ?? io.env.SALLYPORT_API_BASE_PATH ?? '');
  const place = { url, basePath, ...given(await resolveTransport(flags, io.env)) } as Place;
  checkEncrypted(url, place.insecure);
  const asPerson = browser === true || (apiKey !== true && io.stdin.isTTY === true && (await peopleSignIn(place)));
  const credential = asPerson ? await signIn(session, place, open) : { apiKey: await readKey(session, place) };
  await endStored(session);
  const path = await writeStored(io.env, { url, basePath, ...credential, ...given({ caFile: place.caFile }) });
  session.note(`Signed in to ${url}. Stored in ${path} (only you can read it).`);
  if (io.env.npm_command === 'exec')
    session.note('To type `sally` instead of `npx sally`, which is also faster: sudo bin/sally install-path');
}

async function readKey({ io }: Session, place: Place): Promise<string> {
  const typed = io.stdin.isTTY === true ? await readHidden(io, `API key for ${place.url}: `) : await readAll(io.stdin);
  const apiKey = checkApiKey(typed, io.stdin.isTTY === true ? 'The typed text' : 'Standard input');
  await createClient({ ...place, apiKey }).call('listGateways');
  return apiKey;
}

async function signIn(session: Session, place: Place, open: boolean): Promise<{ sessionToken: string }> {
  const { available, reason, url } = (await createClient(place).call('getSignInOptions')).body;
  if (!available)
    throw usage(`People cannot sign in at this controller: ${clean(reason ?? '')}`, 'sally login --api-key');
  const sessionToken = await allowInBrowser(session, {
    page: checkUrl(url),
    open,
    spend: async (body) => (await createClient(place).call('signInCli', { body })).body.token,
  });
  const { email, role, tenant } = (await createClient({ ...place, sessionToken }).call('getMe')).body;
  session.note(`You are ${clean(email)} (${role}) in the tenant ${clean(tenant.name)}.`);
  return { sessionToken };
}

/** Whether somebody has an account to sign in with. A controller that does not say so takes API keys. */
async function peopleSignIn({ url, basePath, ca }: Place): Promise<boolean> {
  const target = { kind: 'url', url: `${url}${basePath}/sign-in`, ca } as const;
  const { status, text } = await send({ target, method: 'GET' });
  if (status !== 200) return false;
  try {
    const { available, setUp, tenants } = SignInOptions.parse(JSON.parse(text));
    return available && !setUp && tenants !== 'NONE';
  } catch {
    return false;
  }
}

/** Ends the session that is stored, if one is. A controller that is away does not stop a person from signing out here. */
async function endStored(session: Session): Promise<void> {
  const { io, flags } = session;
  const stored = await readStored(io.env).catch(() => undefined);
  if (stored?.sessionToken === undefined) return;
  const { url, basePath, sessionToken, caFile } = stored;
  try {
    const transport = await resolveTransport(flags, io.env, caFile);
    await createClient({ url, basePath, sessionToken, ...given(transport) } as Connection).call('signOut');
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const ended = error.problemText?.includes('"unauthenticated"') === true;
    if (!ended)
      session.note(`The old session may go on at ${url}: ${error.message}\nEnd it in the console, under My account.`);
  }
}
