import { exitCodes, Failure } from '../failure.ts';
import { readText } from '../files.ts';
import { readHidden } from '../prompt.ts';
import type { Io, Session } from '../session.ts';

/** Environment variable with the client secret of a provider. */
const variable = 'SALLYPORT_PROVIDER_SECRET';

/** Options that say where a client secret comes from. */
export interface SecretFlags {
  readonly secretFile?: string;
  /** False: the client has no secret. */
  readonly secret?: boolean;
}

/**
 * Returns the client secret of a file, of the environment or of the terminal; null for a client without one. Returns undefined
 * when none is given and `ask` is not set. A secret is never an argument, because other users of the host see those.
 */
export async function clientSecret(
  session: Session,
  { secretFile, secret }: SecretFlags,
  ask: boolean,
): Promise<string | null | undefined> {
  if (secret === false) return null;
  const { io } = session;
  if (secretFile !== undefined) return checked(await fromFile(io, secretFile), secretFile);
  const given = io.env[variable];
  if (given !== undefined && given !== '') return given;
  if (!ask) return undefined;
  if (io.stdin.isTTY === true) return checked(await readHidden(io, 'Client secret: '), 'The typed text');
  throw new Failure(exitCodes.usage, 'No client secret is given', {
    hint: `Give --secret-file FILE (- reads standard input), set ${variable}, or give --no-secret.`,
  });
}

async function fromFile(io: Pick<Io, 'stdin'>, path: string): Promise<string> {
  if (path !== '-') {
    const text = await readText(path);
    if (text === undefined) throw new Failure(exitCodes.notFound, `There is no file ${path}`);
    return text;
  }
  let text = '';
  for await (const chunk of io.stdin) text += chunk.toString('utf8');
  return text;
}

function checked(text: string, source: string): string {
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '' || /[\r\n]/.test(secret))
    throw new Failure(exitCodes.usage, `${source} must hold the client secret in one line`);
  return secret;
}
