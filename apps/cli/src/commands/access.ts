import { parseAddress, parseEndpoint, type RequestBody } from '@sallyport/contract';
import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session } from '../session.ts';
import { renderExplanations } from './access-view.ts';
import { showMatrix } from './matrix.ts';
import { choice, count, given, repeated } from './options.ts';

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
    .argument('[destination]', 'IP address, with or without port')
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
  const target = destinationOf(to ?? from, flags);
  const at = flags.at === undefined ? undefined : momentOf(flags.at);
  const api = await session.api();
  const subject =
    flags.user === undefined
      ? { device: await resolveId(api, kinds.device, from) }
      : { user: await resolveId(api, kinds.user, flags.user) };
  const answer = await api.call('explainAccess', { body: { ...subject, ...target, ...given({ at }) } });
  const what = `${target.destination} ${target.protocol}${target.port === undefined ? '' : ` ${target.port}`}`;
  session.show(answer, (body) => renderExplanations(session, body.answers, flags.user ?? from, what));
}

type Target = Pick<RequestBody<'explainAccess'>, 'destination' | 'protocol' | 'port'>;

/** `10.0.0.5:443`, `[fd00::5]:22`, or an address with `--port` and `--protocol`. */
export function destinationOf(text: string, flags: ExplainFlags): Target {
  const found = parseEndpoint(text);
  if (found === null || parseAddress(found.host) === null)
    throw usage(`Not an IP address: ${text}`, 'It looks like 10.0.0.5:443, 10.0.0.5 or [fd00::5]:22');
  const port = found.port ?? count('--port', flags.port);
  if (found.port !== null && flags.port !== undefined && String(found.port) !== flags.port)
    throw usage('The destination names another port than --port');
  const protocol = flags.protocol ?? (port === undefined ? 'ICMP' : 'TCP');
  if ((protocol === 'ICMP') !== (port === undefined))
    throw usage(protocol === 'ICMP' ? 'ICMP has no port' : `${protocol} needs a port`, 'sally access explain --help');
  return { destination: found.host, protocol, ...(port === undefined ? {} : { port }) };
}

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
