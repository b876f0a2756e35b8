import { dirname, join, resolve } from 'node:path';
import { privateKeyPlaceholder } from '@sallyport/contract';
import { root } from '@sallyport/program/place';
import { parseConfiguration, parseKey, publicKeyOf } from '@sallyport/wireguard';
import { exitCodes, Failure, usage } from './failure.ts';
import { exists, readText } from './files.ts';
import type { Environment } from './settings.ts';

const KEY_LINE = /^([ \t]*PrivateKey[ \t]*=[ \t]*)(\S+)[ \t]*$/m;

/**
 * Returns the file name of a device's configuration. wg-quick(8) names the interface after the file, so the stem has at
 * most 15 characters of `a-zA-Z0-9_=+.-`.
 */
export function configurationFileName(deviceName: string): string {
  const stem = deviceName
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^A-Za-z0-9_=+.-]+/g, '-')
    .replace(/^[-.]+/, '')
    .slice(0, 15)
    .replace(/[-.]+$/, '');
  return `${stem || 'device'}.conf`;
}

/** Returns the places to search for a device's configuration, in this order. */
export function usualPaths(deviceName: string, env: Environment): string[] {
  const folder = devicesFolder(env);
  const name = configurationFileName(deviceName);
  return [name, ...(folder === null ? [] : [join(folder, name)])];
}

/**
 * Returns the file of a new configuration when none is named. It is in this folder, unless the folder is part of a git
 * work tree or of this program, where a private key could be committed. It is then in the user's folder for devices.
 * Throws without such a folder.
 */
export async function newPath(deviceName: string, env: Environment): Promise<{ path: string; elsewhere: boolean }> {
  const name = configurationFileName(deviceName);
  if (!(await isCheckout(resolve('.')))) return { path: resolve(name), elsewhere: false };
  const folder = devicesFolder(env);
  if (folder === null)
    throw usage(
      'A private key does not belong in this folder: it is part of a git work tree',
      'Name a file: --out FILE',
    );
  return { path: join(folder, name), elsewhere: true };
}

function devicesFolder({ XDG_CONFIG_HOME, HOME }: Environment): string | null {
  const base = XDG_CONFIG_HOME || (HOME ? join(HOME, '.config') : null);
  return base === null ? null : join(base, 'sallyport', 'devices');
}

async function isCheckout(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    if (at === root || (await exists(join(at, '.git')))) return true;
    if (at === dirname(at)) return false;
  }
}

/**
 * Returns the configuration with the private key in place of the controller's placeholder. Only known settings are
 * accepted: the text came over the network, and wg-quick runs `PostUp` and similar settings as root.
 */
export function withPrivateKey(text: string, privateKey: string): string {
  const found = KEY_LINE.exec(text)?.[2];
  if (found !== privateKeyPlaceholder || text.split(privateKeyPlaceholder).length !== 2)
    throw new Failure(exitCodes.failed, 'The configuration has no placeholder for the private key');
  try {
    parseConfiguration(text, privateKeyPlaceholder);
  } catch (error) {
    throw new Failure(exitCodes.failed, `The controller sent an invalid configuration: ${(error as Error).message}`);
  }
  return text.replace(privateKeyPlaceholder, () => privateKey);
}

/**
 * Returns the private key of a file: a WireGuard configuration, or the key alone. Returns undefined when the file does
 * not exist.
 */
export async function readPrivateKey(path: string): Promise<string | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const key = KEY_LINE.exec(text)?.[2] ?? text.trim();
  try {
    parseKey(key, 'private key');
    return key;
  } catch {
    throw usage(`${path} contains no WireGuard private key`);
  }
}

/** Throws when the private key does not belong to the device. */
export function checkBelongs(privateKey: string, publicKey: string | undefined, path: string): void {
  if (publicKey === undefined || publicKeyOf(privateKey) === publicKey) return;
  throw new Failure(exitCodes.conflict, `The private key in ${path} does not belong to this device`, {
    hint: 'Name the file of this device with --private-key-file, or delete the device and add it again.',
  });
}

/** Returns outdated lines of the stored configuration (`-`) and missing lines (`+`). Shows no key. */
export function outdatedLines(stored: string, present: string): string[] {
  const before = settings(stored);
  const after = settings(present);
  const gone = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const fresh = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  const reordered = gone.length + fresh.length === 0 && before.join('\n') !== after.join('\n');
  return reordered ? ['~ the same lines in another order or number'] : [...gone, ...fresh];
}

/** Returns whether a stored configuration was made for a host without IPv6. */
export function lacksIpv6(stored: string): boolean {
  const addresses = settings(stored).filter((line) => line.startsWith('Address = '));
  return addresses.length > 0 && addresses.every((line) => !line.includes(':'));
}

/** Returns whether any peer carries traffic of the device. */
export function carriesAnything(text: string): boolean {
  return /^[ \t]*AllowedIPs[ \t]*=[ \t]*\S/m.test(text);
}

/** Returns settings in canonical spacing, without comments and blank lines, and with secret keys masked. */
function settings(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/#.*$/, '').trim())
    .filter((line) => line !== '')
    .map((line) => line.replace(/^(\w+)\s*=\s*/, '$1 = '))
    .map((line) => (line.startsWith('PrivateKey = ') ? 'PrivateKey = (private)' : line))
    .map((line) => line.replace(/\s*,\s*/g, ', '));
}
