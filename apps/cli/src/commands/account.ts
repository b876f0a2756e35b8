import type { Command } from 'commander';
import { createClient } from '../client.ts';
import { usage } from '../failure.ts';
import { readHidden } from '../prompt.ts';
import { readAll, type Session } from '../session.ts';
import { checkApiKey, checkBasePath, checkUrl, DEFAULT_URL, removeStored, writeStored } from '../settings.ts';

/** `sally login`, `sally logout` */
export function addAccount(program: Command, session: Session): void {
  program
    .command('login')
    .description('try an API key and store it with the address, for this user')
    .addHelpText(
      'after',
      '\nThe key is asked for, or read from standard input:\n  sally login --url https://vpn.example.com < key-file',
    )
    .action(async () => login(session));
  program
    .command('logout')
    .description('forget the stored address and API key')
    .action(async () => session.note(`Nothing is stored in ${await removeStored(session.io.env)} any more.`));
}

async function login(session: Session): Promise<void> {
  const { flags, io } = session;
  if (flags.apiKeyFile !== undefined) throw usage('login reads the key from standard input', 'sally login < FILE');
  const url = checkUrl(flags.url ?? (io.env.SALLYPORT_URL || DEFAULT_URL));
  const basePath = checkBasePath(flags.basePath ?? io.env.SALLYPORT_API_BASE_PATH ?? '');
  const typed = io.stdin.isTTY === true ? await readHidden(io, `API key for ${url}: `) : await readAll(io.stdin);
  const apiKey = checkApiKey(typed, io.stdin.isTTY === true ? 'What was typed' : 'Standard input');
  await createClient({ url, basePath, apiKey }).call('listGateways');
  const path = await writeStored(io.env, { url, basePath, apiKey });
  session.note(`Signed in to ${url}. Stored in ${path} (readable by you alone).`);
  if (isPlainAndFar(url)) session.note('Note: http:// sends the key unencrypted; use https:// beyond this machine.');
}

function isPlainAndFar(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
}
