import { rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Connection } from './client.ts';
import { exitCodes, Failure, usage } from './failure.ts';
import { makePrivateFolder, readText, writeSecret } from './files.ts';

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The stored result of `sally login`. */
export interface Stored {
  readonly url: string;
  readonly basePath: string;
  /** Either an API key or a session token is present. */
  readonly apiKey?: string;
  readonly sessionToken?: string;
  /** Absolute path of a file with certificate authorities. */
  readonly caFile?: string;
}

/** Connection options of the command line. */
export interface ConnectionFlags {
  readonly url?: string;
  readonly basePath?: string;
  /** `-` means standard input. */
  readonly apiKeyFile?: string;
  /** Allows the key to be sent over http:// to another host. */
  readonly insecure?: boolean;
  readonly caFile?: string;
}

/** Address of a controller on this host. */
export const DEFAULT_URL = 'http://127.0.0.1:8080';

/** Returns the file in which `sally login` stores the connection. */
function storedPath(env: Environment): string {
  const base = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined);
  if (base === undefined) throw usage('Neither XDG_CONFIG_HOME nor HOME is set, so settings cannot be stored');
  return join(base, 'sallyport', 'config.json');
}

/**
 * Returns the connection to use: flags, then environment, then the stored login, then defaults. The stored key is sent
 * only to the address for which it was stored.
 */
export async function resolveConnection(
  flags: ConnectionFlags,
  env: Environment,
  readStdin: () => Promise<string>,
): Promise<Connection> {
  const stored = await readStored(env);
  const url = checkUrl(flags.url ?? (env.SALLYPORT_URL || stored?.url || DEFAULT_URL));
  const sameUrl = stored !== undefined && url === stored.url;
  const basePath = checkBasePath(
    flags.basePath ?? env.SALLYPORT_API_BASE_PATH ?? (sameUrl ? stored.basePath : undefined) ?? '',
  );
  const given = await givenKey(flags, env, readStdin);
  const own: Partial<Stored> = sameUrl ? stored : {};
  const { apiKey, sessionToken } = given === undefined ? own : { apiKey: given };
  const transport = await resolveTransport(flags, env, sameUrl ? stored.caFile : undefined);
  const assumed = flags.url === undefined && !env.SALLYPORT_URL && stored === undefined;
  return {
    url,
    assumed,
    basePath,
    ...transport,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
}

/** Returns whether a key can be sent unencrypted, and which certificate authorities to trust. */
export async function resolveTransport(
  flags: ConnectionFlags,
  env: Environment,
  storedCaFile?: string,
): Promise<{ insecure: boolean; ca?: string; caFile?: string }> {
  const insecure = flags.insecure ?? env.SALLYPORT_INSECURE === 'on';
  const path = flags.caFile ?? (env.SALLYPORT_CA_FILE || storedCaFile);
  if (path === undefined) return { insecure };
  const ca = await readText(path);
  if (ca === undefined) throw usage(`There is no file ${path} with certificate authorities`);
  const { createSecureContext } = await import('node:tls');
  try {
    createSecureContext({ ca });
  } catch {
    throw usage(`${path} contains no certificate`, 'Give a PEM file: -----BEGIN CERTIFICATE-----');
  }
  if (!ca.includes('-----BEGIN CERTIFICATE-----'))
    throw usage(`${path} contains no certificate`, 'Give a PEM file: -----BEGIN CERTIFICATE-----');
  return { insecure, ca, caFile: resolve(path) };
}

/** Parses an API key: visible ASCII, surrounding blanks ignored. */
export function checkApiKey(text: string, from: string): string {
  const key = text.trim();
  if (!/^[\u0021-\u007e]{16,256}$/.test(key)) throw usage(`${from} contains no API key`);
  return key;
}

/** Checks the address of a controller and returns it without a trailing slash. */
export function checkUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw usage(
      `Not an address of a controller: ${text}`,
      'Give an address such as http://127.0.0.1:8080 or https://vpn.example.com',
    );
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw usage('The address of the controller must have no user, password, query or fragment');
  return url.href.replace(/\/+$/, '');
}

/** Checks a base path and returns it without a trailing slash. */
export function checkBasePath(text: string): string {
  const path = text.replace(/\/+$/, '');
  if (path !== '' && !/^(\/[A-Za-z0-9._~-]+)+$/.test(path))
    throw usage(`Not a base path: ${text}`, 'Give a path such as /qa');
  return path;
}

/** Stores the connection for this user and returns the path of the file. */
export async function writeStored(env: Environment, stored: Stored): Promise<string> {
  const path = storedPath(env);
  await makePrivateFolder(dirname(path));
  await writeSecret(path, `${JSON.stringify(stored, null, 2)}\n`, { replace: true });
  return path;
}

/** Removes the stored connection and returns the path of the file. */
export async function removeStored(env: Environment): Promise<string> {
  const path = storedPath(env);
  await rm(path, { force: true });
  return path;
}

/** Returns what `sally login` stored, or undefined. */
export async function readStored(env: Environment): Promise<Stored | undefined> {
  if (!env.XDG_CONFIG_HOME && !env.HOME) return undefined;
  const path = storedPath(env);
  const text = await readText(path);
  if (text === undefined) return undefined;
  if (((await stat(path)).mode & 0o077) !== 0)
    throw new Failure(
      exitCodes.failed,
      `${path} contains an API key or a session token and is readable by other users`,
      {
        hint: `Restrict it: chmod 600 ${path}`,
      },
    );
  const stored = parseStored(text);
  if (stored === undefined)
    throw new Failure(exitCodes.failed, `${path} is damaged`, { hint: 'Write it again with `sally login`.' });
  return stored;
}

async function givenKey(
  flags: ConnectionFlags,
  env: Environment,
  readStdin: () => Promise<string>,
): Promise<string | undefined> {
  if (flags.apiKeyFile === '-') return checkApiKey(await readStdin(), 'Standard input');
  if (flags.apiKeyFile === undefined && env.SALLYPORT_API_KEY)
    return checkApiKey(env.SALLYPORT_API_KEY, 'SALLYPORT_API_KEY');
  const path = flags.apiKeyFile ?? env.SALLYPORT_API_KEY_FILE;
  if (!path) return undefined;
  const text = await readText(path);
  if (text === undefined) throw usage(`There is no API key file ${path}`);
  return checkApiKey(text, path);
}

function parseStored(text: string): Stored | undefined {
  try {
    const { url, basePath, apiKey, sessionToken, caFile } = JSON.parse(text);
    const optional = Object.entries({ apiKey, sessionToken, caFile }).filter(([, value]) => value !== undefined);
    const fits = [url, basePath, apiKey ?? sessionToken, caFile ?? ''].every((value) => typeof value === 'string');
    return fits ? { url, basePath, ...Object.fromEntries(optional) } : undefined;
  } catch {
    return undefined;
  }
}
