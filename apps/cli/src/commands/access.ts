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
  sally access explain --user anna@example.com [fd00::5]:22
  sally access explain anna-laptop 10.0.0.5 --protocol icmp --at 2026-12-24T18:00:00Z
  sally access matrix --resource intranet
  sally access matrix --json | jq -r .device.name`;

/** `sally access …` */
export function addAccess(program: Command, session: Session): void {
  const group = program
    .command('access')
    .description('why something is allowed or not, and who can reach what')
    .addHelpText('after', EXAMPLES);
  group
    .command('explain')
    .usage('[options] (DEVICE | --user USER) DESTINATION[:PORT]')
    .argument('<from>', 'device, by name or id; left out with --user')
    .argument('[destination]', 'IP address or resource, with or without port')
    .description('walk the policies for one connection and say why it is allowed or not')
    .option('--user <user>', 'e-mail address or id: asked for each of the user’s devices')
    .addOption(
      choice('--protocol <protocol>', 'TCP with a port and ICMP without when left out', ['TCP', 'UDP', 'ICMP']),
    )
    .option('--port <port>', 'port of the destination')
    .option('--at <moment>', 'ask for another moment than now: 2026-12-24T18:00:00Z')
    .action(async (from: string, destination: string | undefined, flags: ExplainFlags) =>
      explain(session, from, destination, flags),
    );
  group
    .command('matrix')
    .description('list who can reach what; with --json one line per pair, as it comes')
    .addOption(repeated('--device <device>', 'only this one, by name or id'))
    .addOption(repeated('--user <user>', 'only devices of this user'))
    .addOption(repeated('--resource <resource>', 'only this one'))
    .addOption(repeated('--gateway <gateway>', 'only by way of this one'))
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

function momentOf(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw usage(`Not a moment: ${text}`, 'It looks like 2026-12-24T18:00:00Z.');
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
