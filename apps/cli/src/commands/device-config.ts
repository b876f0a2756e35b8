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
import { configurationQuery, noIpv6Option, sayNotes, sayWhenIdle } from './device-add.ts';
import type { Device } from './device-view.ts';

type Configuration = ResponseBody<'getDeviceConfiguration'>;

interface ConfigFlags {
  readonly out?: string;
  readonly force?: boolean;
  readonly qr?: boolean;
  readonly privateKeyFile?: string;
  readonly check?: string;
  /** Undefined: as in the stored file, else with IPv6. */
  readonly ipv6?: boolean;
}

/** The device and what the controller says of it now. */
interface Present {
  readonly device: Device;
  readonly configuration: Answer<Configuration>;
}

const EXAMPLES = `
Without --out it is printed with a placeholder where the private key goes.
With --out the private key comes from --private-key-file, else from FILE itself, else from ./NAME.conf,
else from ~/.config/sallyport/devices/NAME.conf.
A stored file without IPv6 addresses is checked and renewed without them, unless --ipv6 is given.

Examples:
  sally device config anna-phone --check anna-phone.conf
  sally device config server --no-ipv6 --out server.conf
  sally device config anna-phone --out anna-phone.conf`;

/** `sally device config` */
export function addDeviceConfig(group: Command, session: Session): void {
  group
    .command('config')
    .argument('<device>', 'name or id')
    .description('show the present configuration and its revision, renew a stored one, or check it')
    .option('--out <file>', 'write it there, 0600, with the private key filled in')
    .option('--private-key-file <file>', 'where the private key is: a configuration, or the key alone')
    .option('--force', 'replace the file even when it holds another key')
    .option('--check <file>', 'compare a stored configuration; exit code 1 when it is outdated')
    .option('--qr', 'show it as a QR code with the private key filled in')
    .option(...noIpv6Option)
    .option('--ipv6', 'with IPv6 addresses, also where the stored file has none')
    .addHelpText('after', EXAMPLES)
    .action(async (text: string, flags: ConfigFlags) => {
      if (flags.check !== undefined && (flags.out !== undefined || flags.qr === true))
        throw usage('--check goes without --out and --qr');
      if (flags.check !== undefined) return check(session, text, flags.check, flags);
      if (flags.out !== undefined || flags.qr === true) return renew(session, text, flags);
      return print(session, text, flags);
    });
}

async function fetchPresent(session: Session, text: string, ipv6: boolean | undefined): Promise<Present> {
  const api = await session.api();
  const params = { id: await resolveId(api, kinds.device, text) };
  const device = (await api.call('getDevice', { params })).body;
  return { device, configuration: await api.call('getDeviceConfiguration', { params, ...configurationQuery(ipv6) }) };
}

/** Whether the configuration has IPv6 addresses: as asked for, else as in a stored file. */
const withIpv6 = ({ ipv6 }: ConfigFlags, stored: string | undefined): boolean =>
  ipv6 ?? !(stored !== undefined && lacksIpv6(stored));

/** Prints the configuration with the placeholder, and says whether the usual file is up to date. */
async function print(session: Session, name: string, flags: ConfigFlags): Promise<void> {
  const { device, configuration } = await fetchPresent(session, name, flags.ipv6);
  session.show(configuration, ({ text }) => (text.endsWith('\n') ? text : `${text}\n`));
  session.note(`Revision ${clean(configuration.body.revision)}`);
  for (const path of usualPaths(device.name, session.io.env)) {
    const stored = await readText(path);
    if (stored === undefined) continue;
    const same = withIpv6(flags, stored) === (flags.ipv6 ?? true);
    const present = same ? configuration : (await fetchPresent(session, device.id, false)).configuration;
    const current = outdatedLines(stored, present.body.text).length === 0;
    session.note(current ? `${path} is up to date.` : `${path} is outdated. Renew it: ${renewal(device, path)}`);
  }
  sayNotes(session, configuration.body);
  sayWhenIdle(session, device.name, configuration.body.text);
}

async function check(session: Session, name: string, path: string, flags: ConfigFlags): Promise<void> {
  const stored = await readText(path);
  if (stored === undefined) throw new Failure(exitCodes.notFound, `There is no file ${path}`);
  const { device, configuration } = await fetchPresent(session, name, withIpv6(flags, stored));
  const key = await readPrivateKey(path);
  if (key !== undefined) checkBelongs(key, device.publicKey, path);
  const { revision, text } = configuration.body;
  const changes = outdatedLines(stored, text);
  if (session.json) session.out(`${JSON.stringify({ current: changes.length === 0, revision, changes })}\n`);
  else for (const line of changes) session.out(`${clean(line)}\n`);
  if (changes.length > 0)
    throw new Failure(exitCodes.failed, `${path} is outdated: the present revision is ${clean(revision)}`, {
      hint: `Renew it: ${renewal(device, path)}`,
    });
  if (!session.json) session.out(`${path} is up to date (revision ${clean(revision)}).\n`);
  sayNotes(session, configuration.body);
  sayWhenIdle(session, device.name, text);
}

async function renew(session: Session, name: string, flags: ConfigFlags): Promise<void> {
  const out = flags.out === undefined ? undefined : resolve(flags.out);
  const stored = out === undefined ? undefined : await readText(out);
  const { device, configuration } = await fetchPresent(session, name, withIpv6(flags, stored));
  const key = await privateKeyFor(device, flags, session.io.env);
  const text = withPrivateKey(configuration.body.text, key);
  if (out !== undefined) {
    await writeSecret(out, text, { replace: flags.force === true || (await holdsKey(out, key)) });
    session.note(`Revision ${clean(configuration.body.revision)} is in ${out} (readable by you alone).`);
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
  throw new Failure(exitCodes.notFound, `No private key was found in ${looked}`, {
    hint: 'Name the file that holds it with --private-key-file. The controller does not have it.',
  });
}

/** A file that holds this key is the one to renew; any other is somebody’s, and is replaced by --force only. */
async function holdsKey(path: string, key: string): Promise<boolean> {
  return (await exists(path)) && (await readPrivateKey(path)) === key;
}

function renewal(device: Device, path: string): string {
  return `sally device config ${shellWord(clean(device.name))} --out ${shellWord(path)}`;
}
