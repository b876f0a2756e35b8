import { resolve } from 'node:path';
import type { ResponseBody } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { checkBelongs, lacksIpv6, outdatedLines, readPrivateKey, usualPaths, withPrivateKey } from '../device-file.ts';
import { exitCodes, Failure, usage } from '../failure.ts';
import { exists, readText, writeSecret } from '../files.ts';
import { qrCode } from '../qr.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session } from '../session.ts';
import type { Environment } from '../settings.ts';
import { clean, shellWord } from '../text.ts';
import { configurationQuery, noDnsOption, noIpv6Option, sayNotes, sayWhenIdle } from './device-add.ts';
import type { Device } from './device-view.ts';

type Configuration = ResponseBody<'getDeviceConfiguration'>;

interface ConfigFlags {
  readonly out?: string;
  readonly force?: boolean;
  readonly qr?: boolean;
  readonly privateKeyFile?: string;
  readonly check?: string;
  /** Undefined follows the stored file, or includes IPv6 when no file is stored. */
  readonly ipv6?: boolean;
  readonly dns?: boolean;
}

/** The device and its present configuration. */
interface Present {
  readonly device: Device;
  readonly configuration: Answer<Configuration>;
}

const EXAMPLES = `
Without --out, the configuration is printed with a placeholder for the private key.
With --out, the private key comes from --private-key-file, else from FILE itself, else from ./NAME.conf,
else from ~/.config/sallyport/devices/NAME.conf.
A stored file without IPv6 addresses stays without them, unless --ipv6 is given.

Examples:
  sally device config anna-phone --check anna-phone.conf
  sally device config server --no-ipv6 --out server.conf
  sally device config anna-phone --out anna-phone.conf`;

/** Adds `sally device config`. */
export function addDeviceConfig(group: Command, session: Session): void {
  group
    .command('config')
    .argument('<device>', 'name or id')
    .description('show the current configuration and its revision, or renew or check a stored one')
    .option('--out <file>', 'write the configuration to this file, 0600, with the private key')
    .option('--private-key-file <file>', 'file with the private key: a configuration, or the key alone')
    .option('--force', 'replace the file even when it holds another key')
    .option('--check <file>', 'compare a stored configuration; exit code 1 when it is outdated')
    .option('--qr', 'show the configuration as a QR code with the private key')
    .option(...noIpv6Option)
    .option(...noDnsOption)
    .option('--ipv6', 'include IPv6 addresses, even when the stored file has none')
    .addHelpText('after', EXAMPLES)
    .action(async (text: string, flags: ConfigFlags) => {
      if (flags.check !== undefined && (flags.out !== undefined || flags.qr === true))
        throw usage('--check cannot be combined with --out or --qr');
      if (flags.check !== undefined) return check(session, text, flags.check, flags);
      if (flags.out !== undefined || flags.qr === true) return renew(session, text, flags);
      return print(session, text, flags);
    });
}

type Wanted = Pick<ConfigFlags, 'ipv6' | 'dns'>;

async function fetchPresent(session: Session, text: string, { ipv6, dns }: Wanted): Promise<Present> {
  const api = await session.api();
  const params = { id: await resolveId(api, kinds.device, text) };
  const device = (await api.call('getDevice', { params })).body;
  const query = configurationQuery(ipv6, dns);
  return { device, configuration: await api.call('getDeviceConfiguration', { params, ...query }) };
}

/** Returns whether to ask for IPv6 addresses: as the options say, else as in the stored file. */
const withIpv6 = ({ ipv6 }: ConfigFlags, stored: string | undefined): boolean =>
  ipv6 ?? !(stored !== undefined && lacksIpv6(stored));

/** Prints the configuration with the placeholder, and whether the file at the usual place is up to date. */
async function print(session: Session, name: string, flags: ConfigFlags): Promise<void> {
  const { device, configuration } = await fetchPresent(session, name, flags);
  session.show(configuration, ({ text }) => (text.endsWith('\n') ? text : `${text}\n`));
  session.note(`Revision ${clean(configuration.body.revision)}`);
  for (const path of usualPaths(device.name, session.io.env)) {
    const stored = await readText(path);
    if (stored === undefined) continue;
    const same = withIpv6(flags, stored) === (flags.ipv6 ?? true);
    const present = same
      ? configuration
      : (await fetchPresent(session, device.id, { ...flags, ipv6: false })).configuration;
    const current = outdatedLines(stored, present.body.text).length === 0;
    session.note(current ? `${path} is up to date.` : `${path} is outdated. Renew it: ${renewal(device, path)}`);
  }
  sayNotes(session, configuration.body);
  sayWhenIdle(session, device.name, configuration.body.text);
}

async function check(session: Session, name: string, path: string, flags: ConfigFlags): Promise<void> {
  const stored = await readText(path);
  if (stored === undefined) throw new Failure(exitCodes.notFound, `There is no file ${path}`);
  const { device, configuration } = await fetchPresent(session, name, { ...flags, ipv6: withIpv6(flags, stored) });
  const key = await readPrivateKey(path);
  if (key !== undefined) checkBelongs(key, device.publicKey, path);
  const { revision, text } = configuration.body;
  const changes = outdatedLines(stored, text);
  if (session.json) session.out(`${JSON.stringify({ current: changes.length === 0, revision, changes })}\n`);
  else for (const line of changes) session.out(`${clean(line)}\n`);
  if (changes.length > 0)
    throw new Failure(exitCodes.failed, `${path} is outdated: the current revision is ${clean(revision)}`, {
      hint: `Renew it: ${renewal(device, path)}`,
    });
  if (!session.json) session.out(`${path} is up to date (revision ${clean(revision)}).\n`);
  sayNotes(session, configuration.body);
  sayWhenIdle(session, device.name, text);
}

async function renew(session: Session, name: string, flags: ConfigFlags): Promise<void> {
  const out = flags.out === undefined ? undefined : resolve(flags.out);
  const stored = out === undefined ? undefined : await readText(out);
  const { device, configuration } = await fetchPresent(session, name, { ...flags, ipv6: withIpv6(flags, stored) });
  const key = await privateKeyFor(device, flags, session.io.env);
  const text = withPrivateKey(configuration.body.text, key);
  if (out !== undefined) {
    await writeSecret(out, text, { replace: flags.force === true || (await holdsKey(out, key)) });
    session.note(`Revision ${clean(configuration.body.revision)} is in ${out} (only you can read it).`);
  }
  if (session.json) session.show(configuration, () => '');
  else if (flags.qr === true) session.out(qrCode(text, session));
  sayNotes(session, configuration.body);
  sayWhenIdle(session, device.name, text);
}

async function privateKeyFor(device: Device, { privateKeyFile, out }: ConfigFlags, env: Environment): Promise<string> {
  const usual = usualPaths(device.name, env);
  for (const path of privateKeyFile === undefined ? [out, ...usual] : [privateKeyFile]) {
    const key = path === undefined || !(await exists(path)) ? undefined : await readPrivateKey(path);
    if (key === undefined || path === undefined) continue;
    checkBelongs(key, device.publicKey, path);
    return key;
  }
  const looked = privateKeyFile ?? [out, ...usual].filter((path) => path !== undefined).join(' and ');
  throw new Failure(exitCodes.notFound, `Found no private key in ${looked}`, {
    hint: 'Name the file that holds it with --private-key-file. The controller does not have it.',
  });
}

/** Returns whether a file holds this device's key. Replacing any other file needs --force. */
async function holdsKey(path: string, key: string): Promise<boolean> {
  return (await exists(path)) && (await readPrivateKey(path)) === key;
}

function renewal(device: Device, path: string): string {
  return `sally device config ${shellWord(clean(device.name))} --out ${shellWord(path)}`;
}
