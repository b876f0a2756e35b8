import { dirname, resolve } from 'node:path';
import type { RequestBody, ResponseBody } from '@sallyport/contract';
import { KEY_BYTES, privateKeyFrom, publicKeyOf } from '@sallyport/wireguard';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { carriesAnything, newPath, withPrivateKey } from '../device-file.ts';
import { exitCodes, Failure, usage } from '../failure.ts';
import { exists, makePrivateFolder, type StagedSecret, stageSecret } from '../files.ts';
import { qrCode } from '../qr.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean, shellWord } from '../text.ts';
import { type Device, showDevice } from './device-view.ts';
import { given, labelOption, labelsOf, writes } from './options.ts';

interface AddFlags extends WriteFlags {
  readonly out?: string;
  readonly force?: boolean;
  /** Undefined shows the code when standard output is a terminal. */
  readonly qr?: boolean;
  readonly publicKey?: string;
  readonly hardwareId?: string;
  readonly owner?: string;
  readonly ipv6: boolean;
  readonly dns: boolean;
  readonly label?: string[];
}

const EXAMPLES = `
The private key is created on this machine and never leaves it: the controller gets only the public key.
The QR code contains the private key; it is shown when standard output is a terminal, or with --qr.

Examples:
  sally device add anna-phone
  sally device add server --out /etc/wireguard/sally.conf --no-qr
  sally device add router --public-key "$(wg pubkey < private.key)"`;

/** Adds `sally device add`. */
export function addDeviceAdd(group: Command, session: Session): void {
  const add = group
    .command('add')
    .alias('create')
    .argument('<name>')
    .description('create a key here, register the device, and write a configuration for any WireGuard app')
    .option(
      '--out <file>',
      'where to write the configuration, 0600 (./NAME.conf, in a git work tree ~/.config/sallyport/devices/NAME.conf; - is standard output)',
    )
    .option('--force', 'replace the file')
    .option('--qr', 'show the QR code even when standard output is no terminal')
    .option('--no-qr', 'show no QR code')
    .option('--public-key <key>', 'register an existing key; no file is written')
    .option('--hardware-id <text>', 'default: derived from the key')
    .option(...noIpv6Option)
    .option(...noDnsOption)
    .option('--owner <user>', 'owner, by e-mail address or id')
    .addOption(labelOption())
    .addHelpText('after', EXAMPLES);
  writes(add, 'createDevice').action(async (name: string, flags: AddFlags) => {
    if (flags.dryRun === true) return planAdd(session, name, flags);
    return flags.publicKey === undefined ? addWithNewKey(session, name, flags) : addForeign(session, name, flags);
  });
}

/** The option that leaves IPv6 addresses out of a configuration. */
export const noIpv6Option = [
  '--no-ipv6',
  'omit IPv6 addresses, for hosts without IPv6, where wg-quick would fail',
] as const;

/** The option that leaves the resolver out of a configuration. */
export const noDnsOption = [
  '--no-dns',
  'omit the resolver for host names, for hosts without resolvconf, where wg-quick would fail',
] as const;

/** Returns the parameters of a call for a configuration, without what is left out. */
export function configurationQuery(ipv6: boolean | undefined, dns: boolean | undefined) {
  const query = { ...(ipv6 === false && { ipv6: 'false' }), ...(dns === false && { dns: 'false' }) };
  return Object.keys(query).length === 0 ? {} : { query };
}

/** Prints which networks the configuration leaves outside of the tunnel. */
export function sayNotes(session: Session, { notes = [] }: ResponseBody<'getDeviceConfiguration'>): void {
  for (const note of notes) session.note(`Note: ${clean(note)}`);
}

/** Prints how to give a device access when no gateway carries anything for it. */
export function sayWhenIdle(session: Session, name: string, text: string): void {
  if (carriesAnything(text)) return;
  const device = shellWord(clean(name));
  session.note(
    [
      '',
      'This device reaches nothing yet: no policy gives it a resource that an enrolled gateway carries.',
      'What it takes:',
      '  sally resources create RESOURCE --address ADDRESS --protocol PROTOCOL --gateway GATEWAY',
      `  sally policies create POLICY --allow --device ${device} --resource RESOURCE`,
      `Then fetch its configuration again: sally device config ${device} --out FILE`,
    ].join('\n'),
  );
}

/** Shows what adding the device would change. Without a given key, the plan uses a key that is thrown away. */
async function planAdd(session: Session, name: string, flags: AddFlags): Promise<void> {
  const publicKey = flags.publicKey ?? publicKeyOf(privateKeyFrom(session.io.randomBytes(KEY_BYTES)));
  await session.write('createDevice', flags, { body: bodyOf(name, publicKey, flags, await ownerId(session, flags)) });
}

async function addWithNewKey(session: Session, name: string, flags: AddFlags): Promise<void> {
  const toStdout = flags.out === '-';
  if (toStdout && session.json) throw usage('--out - and --json both use standard output');
  const { path, elsewhere } =
    flags.out === undefined ? await newPath(name, session.io.env) : { path: resolve(flags.out), elsewhere: false };
  if (!toStdout && flags.force !== true && (await exists(path)))
    throw new Failure(exitCodes.conflict, `${path} already exists`, {
      hint: 'Give --force to replace it, or --out FILE for another.',
    });
  const owner = await ownerId(session, flags);
  const privateKey = privateKeyFrom(session.io.randomBytes(KEY_BYTES));
  // The key is stored before the device is registered. A crash in between cannot leave a device without its key.
  if (elsewhere) await makePrivateFolder(dirname(path));
  const staged = toStdout ? undefined : await stageSecret(path, `[Interface]\nPrivateKey = ${privateKey}\n`);
  const device = await register(session, flags, bodyOf(name, publicKeyOf(privateKey), flags, owner), staged);
  try {
    const { body } = await configuration(session, device.body.id, flags);
    const text = withPrivateKey(body.text, privateKey);
    await staged?.commit(text, { replace: flags.force === true });
    report(session, device, text, toStdout ? undefined : path, flags);
    sayNotes(session, body);
  } catch (error) {
    throw staged === undefined ? error : unfinished(error, device.body.id, staged, path, flags);
  }
}

async function addForeign(session: Session, name: string, flags: AddFlags): Promise<void> {
  if (flags.out !== undefined || flags.qr === true)
    throw usage('With --public-key, there is no private key to write or show', 'See: sally device config --help');
  const owner = await ownerId(session, flags);
  const device = await register(session, flags, bodyOf(name, flags.publicKey ?? '', flags, owner), undefined);
  showDevice(session, device);
  session.note(
    `Its configuration: sally device config ${device.body.id}${leftOut(flags)} --private-key-file FILE --out FILE`,
  );
}

const leftOut = ({ ipv6, dns }: AddFlags): string => `${ipv6 ? '' : ' --no-ipv6'}${dns ? '' : ' --no-dns'}`;

async function ownerId(session: Session, { owner }: AddFlags): Promise<string | undefined> {
  return owner === undefined ? undefined : resolveId(await session.api(), kinds.user, owner);
}

function bodyOf(
  name: string,
  publicKey: string,
  { hardwareId, label }: AddFlags,
  user: string | undefined,
): RequestBody<'createDevice'> {
  return { name, publicKey, ...given({ hardwareId, user, labels: labelsOf(label) }) };
}

async function register(
  session: Session,
  flags: AddFlags,
  body: RequestBody<'createDevice'>,
  staged: StagedSecret | undefined,
): Promise<Answer<Device>> {
  try {
    const answer = await session.write('createDevice', flags, { body });
    if (answer === undefined) throw new TypeError('a dry run registers nothing');
    return answer;
  } catch (error) {
    await staged?.discard();
    throw error;
  }
}

async function configuration(session: Session, id: string, { ipv6, dns }: AddFlags) {
  const api = await session.api();
  return api.call('getDeviceConfiguration', { params: { id }, ...configurationQuery(ipv6, dns) });
}

function report(
  session: Session,
  device: Answer<Device>,
  text: string,
  path: string | undefined,
  flags: AddFlags,
): void {
  const { name, id, overlayAddresses = [] } = device.body;
  if (session.json) session.show(device, () => '');
  else if (path === undefined) session.out(text);
  else session.out(`Added device ${clean(name)} (${id}) with the addresses ${overlayAddresses.join(', ') || '-'}.\n`);
  if (path !== undefined)
    session.note(`Its configuration, with the private key, is in ${path} (only you can read it).`);
  const mayShow = !session.json && path !== undefined;
  if (mayShow && (flags.qr ?? session.io.stdout.isTTY === true)) {
    session.out(
      '\nFor a phone, scan this code in its WireGuard app. It contains the private key; show it to no one else.\n\n',
    );
    session.out(qrCode(text, session));
  }
  sayWhenIdle(session, name, text);
}

/** Fails with the way to continue: the device is registered and its key is on the disk, so nothing is lost. */
function unfinished(error: unknown, id: string, staged: StagedSecret, path: string, flags: AddFlags): unknown {
  if (!(error instanceof Failure)) return error;
  return new Failure(
    error.exitCode,
    `The device was registered, but its configuration is not in ${path}: ${error.message}`,
    {
      hint: `Its private key is in ${staged.path}. Continue with:\n  sally device config ${id}${leftOut(flags)} --private-key-file ${shellWord(staged.path)} --out FILE`,
    },
  );
}
