import type { Command } from 'commander';
import { createClient } from '../client.ts';
import { usage } from '../failure.ts';
import { checkEncrypted } from '../http.ts';
import { readHidden } from '../prompt.ts';
import { readAll, type Session } from '../session.ts';
import {
  checkApiKey,
  checkBasePath,
  checkUrl,
  DEFAULT_URL,
  removeStored,
  resolveTransport,
  writeStored,
} from '../settings.ts';
import { given } from './options.ts';

/** Adds `sally login` and `sally logout`. */
export function addAccount(program: Command, session: Session): void {
  program
    .command('login')
    .description('check an API key, and store it with the address for this user')
    .addHelpText(
      'after',
      '\nThe command asks for the key, or reads it from standard input:\n  sally login --url https://vpn.example.com < key-file',
    )
    .action(async () => login(session));
  program
    .command('logout')
    .description('forget the stored address and API key')
    .action(async () => session.note(`No connection is stored in ${await removeStored(session.io.env)} any longer.`));
}

async function login(session: Session): Promise<void> {
  const { flags, io } = session;
  if (flags.apiKeyFile !== undefined) throw usage('login reads the key from standard input', 'sally login < FILE');
  const url = checkUrl(flags.url ?? (io.env.SALLYPORT_URL || DEFAULT_URL));
  const basePath = checkBasePath(flags.basePath ?? io.env.SALLYPORT_API_BASE_PATH ?? '');
  const { insecure, ca, caFile } = await resolveTransport(flags, io.env);
  checkEncrypted(url, insecure);
  const typed = io.stdin.isTTY === true ? await readHidden(io, `API key for ${url}: `) : await readAll(io.stdin);
  const apiKey = checkApiKey(typed, io.stdin.isTTY === true ? 'The typed text' : 'Standard input');
  await createClient({ url, basePath, apiKey, insecure, ...given({ ca }) }).call('listGateways');
  const path = await writeStored(io.env, { url, basePath, apiKey, ...given({ caFile }) });
  session.note(`Signed in to ${url}. Stored in ${path} (only you can read it).`);
  if (io.env.npm_command === 'exec')
    session.note('To type `sally` instead of `npx sally`, which is also faster: sudo bin/sally install-path');
}
