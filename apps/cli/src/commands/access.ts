import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session } from '../session.ts';
import { jsonLine } from '../text.ts';
import { renderExplanations } from './access-view.ts';
import { destinationOf, isAddress, resourceTargets, type Target } from './destinations.ts';
import { showMatrix } from './matrix.ts';
import { choice, given, repeated } from './options.ts';

interface ExplainFlags {
  readonly user?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'ICMP';
  readonly port?: string;
  readonly at?: string;
}

interface MatrixFlags {
  readonly device?: string[];
  readonly user?: string[];
  readonly resource?: string[];
  readonly gateway?: string[];
}

const EXAMPLES = `
Examples:
  sally access explain anna-laptop 10.0.0.5:443
  sally access explain anna-laptop intranet              at its addresses and ports
  sally access explain anna-laptop wiki.corp.example:443
  sally access explain --user anna@example.com [fd00::5]:22
  sally access explain anna-laptop 10.0.0.5 --protocol icmp --at 2026-12-24T18:00:00Z
  sally access matrix --resource intranet
  sally access matrix --json | jq -r .device.name`;

/** Adds `sally access …`. */
export function addAccess(program: Command, session: Session): void {
  const group = program
    .command('access')
    .description('check why access is allowed or denied, and list who can reach what')
    .addHelpText('after', EXAMPLES);
  group
    .command('explain')
    .usage('[options] (DEVICE | --user USER) DESTINATION[:PORT]')
    .argument('<from>', 'device, by name or id; omitted with --user')
    .argument('[destination]', 'IP address, host name or resource, with or without a port')
    .description('check why one connection is allowed or denied')
    .option('--user <user>', 'e-mail address or id; checks each of the user’s devices')
    .addOption(choice('--protocol <protocol>', 'default: TCP with a port, ICMP without', ['TCP', 'UDP', 'ICMP']))
    .option('--port <port>', 'port of the destination')
    .option('--at <moment>', 'check at another time, such as 2026-12-24T18:00:00Z')
    .action(async (from: string, destination: string | undefined, flags: ExplainFlags) =>
      explain(session, from, destination, flags),
    );
  group
    .command('matrix')
    .description('list who can reach what; with --json, stream one line per pair')
    .addOption(repeated('--device <device>', 'only this device, by name or id'))
    .addOption(repeated('--user <user>', 'only devices of this user'))
    .addOption(repeated('--resource <resource>', 'only this resource'))
    .addOption(repeated('--gateway <gateway>', 'only through this gateway'))
    .action(async (flags: MatrixFlags) => matrix(session, flags));
}

async function explain(session: Session, from: string, to: string | undefined, flags: ExplainFlags): Promise<void> {
  if ((flags.user === undefined) === (to === undefined))
    throw usage('Name a device or --user, and one destination', 'sally access explain anna-laptop 10.0.0.5:443');
  const at = flags.at === undefined ? undefined : momentOf(flags.at);
  const text = to ?? from;
  const api = await session.api();
  const targets = isAddress(text) ? [destinationOf(text, flags)] : await resourceTargets(api, text, flags);
  const subject =
    flags.user === undefined
      ? { device: await resolveId(api, kinds.device, from) }
      : { user: await resolveId(api, kinds.user, flags.user) };
  const answers = [];
  for (const target of targets)
    answers.push(await api.call('explainAccess', { body: { ...subject, ...target, ...given({ at }) } }));
  const [first] = answers;
  if (session.json && first !== undefined && answers.length === 1) return session.show(first, () => '');
  const all = answers.map(({ body }) => body.answers);
  if (session.json) return session.out(jsonLine({ answers: all.flat() }));
  const who = flags.user ?? from;
  session.out(all.map((one, index) => renderExplanations(session, one, who, words(targets[index]))).join('\n'));
}

const words = (target: Target | undefined): string =>
  target === undefined
    ? ''
    : `${target.destination} ${target.protocol}${target.port === undefined ? '' : ` ${target.port}`}`;

/** Reads a moment from the command line. */
export function momentOf(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw usage(`Not a time: ${text}`, 'Give a time such as 2026-12-24T18:00:00Z.');
  return new Date(time).toISOString();
}

async function matrix(session: Session, flags: MatrixFlags): Promise<void> {
  const api = await session.api();
  const query = {
    device: await resolveIds(api, kinds.device, flags.device ?? []),
    user: await resolveIds(api, kinds.user, flags.user ?? []),
    resource: await resolveIds(api, kinds.resource, flags.resource ?? []),
    gateway: await resolveIds(api, kinds.gateway, flags.gateway ?? []),
  };
  await showMatrix(session, api.stream('accessMatrix', { query }));
}
