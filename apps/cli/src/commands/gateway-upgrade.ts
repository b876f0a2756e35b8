import { setTimeout as wait } from 'node:timers/promises';
import { type GatewayUpgrade, isOpenUpgrade } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Client } from '../client.ts';
import { exitCodes, Failure, Finished, usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import type { Gateway } from './gateway-view.ts';
import { writes } from './options.ts';

interface Flags extends WriteFlags {
  readonly all?: boolean;
  readonly to?: string;
  readonly wait: boolean;
}

/** A gateway that was asked, and its upgrade as it was last seen. */
interface Asked {
  readonly id: string;
  readonly name: string;
  readonly upgrade: GatewayUpgrade | undefined;
}

const askedOf = ({ id, name, upgrade }: Gateway): Asked => ({ id, name, upgrade });

/** A gateway that was not asked. */
interface Skipped {
  readonly id: string;
  readonly name: string;
  readonly reason: string;
}

/** Adds `sally gateways upgrade` and `sally gateways cancel-upgrade`. */
export function addUpgrades(group: Command, session: Session): void {
  const upgrade = group
    .command('upgrade')
    .argument('[gateways...]', 'names or ids')
    .description('upgrade gateways to the version of the controller, one after the other')
    .option('--all', 'every gateway whose host allows it')
    .option('--to <version>', 'only to this version')
    .option('--no-wait', 'do not wait for the end')
    .addHelpText(
      'after',
      `
The host of a gateway has to allow it: SALLYPORT_ALLOW_UPGRADES=true in /etc/sallyport/gateway.env. It takes only newer
versions that its release key signed. The new version runs beside the tunnels. When it is not healthy, the old version
returns by itself, and the gateways that still wait are not upgraded. Run the command again to go on.
The upgrades go on when this command is interrupted.

Examples:
  sally gateways upgrade berlin
  sally gateways upgrade --all --dry-run
  sally gateways upgrade --all --no-wait`,
    );
  writes(upgrade, 'upgradeGateway').action((texts: string[], flags: Flags) => upgradeGateways(session, texts, flags));
  const cancel = group
    .command('cancel-upgrade')
    .argument('<gateway>', 'name or id')
    .description('cancel an upgrade that still waits for its turn');
  writes(cancel, 'cancelGatewayUpgrade').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.gateway, text);
    const answer = await session.write('cancelGatewayUpgrade', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Cancelled the upgrade of gateway ${clean(text)}.\n`);
  });
}

async function upgradeGateways(session: Session, texts: readonly string[], flags: Flags): Promise<void> {
  if ((flags.all === true) === texts.length > 0)
    throw usage('Name gateways, or all of them with --all', 'See: sally gateways upgrade --help');
  const api = await session.api();
  const body = flags.to === undefined ? {} : { version: flags.to };
  if (flags.all !== true && texts.length === 1) {
    const id = await resolveId(api, kinds.gateway, texts[0] ?? '');
    const answer = await session.write('upgradeGateway', flags, { params: { id }, body });
    return answer === undefined ? undefined : follow(session, flags, [askedOf(answer.body)], []);
  }
  const skipped: Skipped[] = [];
  const asked: Asked[] = [];
  for (const { id, name } of await chosen(api, texts, skipped)) {
    try {
      if (flags.dryRun === true) await api.dryRun('upgradeGateway', { params: { id }, body });
      else asked.push(askedOf((await api.call('upgradeGateway', { params: { id }, body })).body));
      if (flags.dryRun === true) asked.push({ id, name, upgrade: undefined });
    } catch (error) {
      if (!(error instanceof Failure) || error.exitCode !== exitCodes.conflict) throw error;
      skipped.push({ id, name, reason: error.message });
    }
  }
  if (flags.dryRun === true) return showPlan(session, asked, skipped);
  await follow(session, flags, asked, skipped);
}

/** Returns the named gateways, or all that are older than the controller and whose hosts allow upgrades. */
async function chosen(api: Client, texts: readonly string[], skipped: Skipped[]) {
  const { body: gateways } = await api.call('listGateways');
  if (texts.length > 0) {
    const ids = new Set(await resolveIds(api, kinds.gateway, texts));
    return gateways.filter(({ id }) => ids.has(id));
  }
  for (const { id, name, upgrades, outdated } of gateways) {
    if (outdated === false) continue;
    if (upgrades === 'NOT_ALLOWED') skipped.push({ id, name, reason: 'Its host does not allow it' });
    if (upgrades === 'NOT_POSSIBLE') skipped.push({ id, name, reason: 'It was not installed by the install script' });
    if (upgrades === undefined) skipped.push({ id, name, reason: 'It is not connected' });
  }
  return gateways.filter(({ upgrades, outdated }) => upgrades === 'ALLOWED' && outdated === true);
}

/** Shows the progress until every upgrade has ended, unless the caller does not wait. */
async function follow(session: Session, flags: Flags, asked: readonly Asked[], skipped: readonly Skipped[]) {
  let all = asked;
  const told = new Map<string, string>();
  const tell = () => {
    for (const { id, name, upgrade } of all) {
      const state = upgrade?.state ?? 'QUEUED';
      if (told.get(id) === state) continue;
      told.set(id, state);
      if (!session.json && isOpenUpgrade(state)) session.note(`${clean(name)}: ${state.toLowerCase()}`);
    }
  };
  tell();
  while (flags.wait && all.some(isGoingOn)) {
    await wait(pollMs);
    all = await look(session, all);
    tell();
  }
  report(session, all, skipped);
  if (flags.wait && all.some(({ upgrade }) => upgrade !== undefined && upgrade.state !== 'DONE'))
    throw new Finished(exitCodes.failed);
}

const pollMs = 1_000;

/** The largest number of gateways that are read one by one. */
const fewGateways = 5;

const isGoingOn = ({ upgrade }: Asked): boolean => upgrade !== undefined && isOpenUpgrade(upgrade.state);

/** Reads the upgrades again. A controller that cannot be reached is asked again later: it may start again just now. */
async function look(session: Session, before: readonly Asked[]): Promise<readonly Asked[]> {
  const open = before.filter(isGoingOn);
  try {
    const api = await session.api();
    const now = new Map<string, Asked>();
    const found =
      open.length > fewGateways
        ? (await api.call('listGateways')).body
        : await Promise.all(open.map(async ({ id }) => (await api.call('getGateway', { params: { id } })).body));
    for (const { id, name, upgrade } of found) now.set(id, { id, name, upgrade });
    return before.map((one) => (isGoingOn(one) ? (now.get(one.id) ?? gone(one)) : one));
  } catch (error) {
    if (error instanceof Failure && error.exitCode === exitCodes.unreachable) return before;
    if (error instanceof Failure && error.exitCode === exitCodes.notFound) return before.map(gone);
    throw error;
  }
}

/** A gateway that was deleted meanwhile. */
const gone = (one: Asked): Asked =>
  one.upgrade === undefined ? one : { ...one, upgrade: { ...one.upgrade, state: 'FAILED', reason: 'It was deleted' } };

function report(session: Session, all: readonly Asked[], skipped: readonly Skipped[]): void {
  if (session.json) {
    const gateways = all.map(({ id, name, upgrade }) => ({ id, name, ...upgrade }));
    session.out(`${JSON.stringify({ gateways, skipped })}\n`);
    return;
  }
  const lines = all.map(({ name, upgrade }) => `${clean(name)}: ${upgrade === undefined ? '-' : outcome(upgrade)}\n`);
  session.out([...lines, ...skipped.map(skippedLine)].join('') || 'Every gateway has the version of the controller.\n');
}

function outcome({ state, from, version, reason }: GatewayUpgrade): string {
  const why = reason === undefined ? '' : `: ${clean(reason)}`;
  if (state === 'DONE') return `upgraded from ${clean(from)} to ${clean(version)}`;
  if (state === 'RETURNED') return `version ${clean(from)} runs again${why}`;
  return `${state.toLowerCase()}${why}`;
}

const skippedLine = ({ name, reason }: Skipped): string => `${clean(name)}: skipped: ${clean(reason)}\n`;

function showPlan(session: Session, asked: readonly Asked[], skipped: readonly Skipped[]): void {
  const gateways = asked.map(({ id, name }) => ({ id, name }));
  if (session.json) {
    session.out(`${JSON.stringify({ gateways, skipped })}\n`);
    return;
  }
  const lines = gateways.map(({ name }) => `${clean(name)}: would be upgraded\n`);
  session.out([...lines, ...skipped.map(skippedLine), 'Nothing was written.\n'].join(''));
}
