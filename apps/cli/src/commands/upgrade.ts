import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { clientStateDir } from '@sallyport/contract/local';
import { root } from '@sallyport/program/place';
import { isVersion } from '@sallyport/release';
import { type Command, Option } from 'commander';
import { exitCodes, Failure, Finished, usage } from '../failure.ts';
import type { Session } from '../session.ts';
import { findAgent, type RunningAgent } from '../upgrade/agents.ts';
import { currentVersion, type Layout, layoutOf } from '../upgrade/layout.ts';
import { bringVersion, readOffer, type Source, type Wanted } from '../upgrade/obtain.ts';
import { noReport, type Report, reportTo } from '../upgrade/report.ts';
import { type Outcome, releaseKeyFile, type TrialOptions, tryVersion } from '../upgrade/upgrade.ts';

interface Flags {
  /** The only version that is accepted. */
  readonly to?: string;
  readonly folder?: string;
  readonly releaseKey: string;
  readonly gatewayStateDir: string;
  readonly clientStateDir: string;
  readonly patience: string;
  /** Request of the controller that the gateway's agent passes on. */
  readonly report?: string;
  readonly dryRun?: boolean;
}

/** Adds `sally upgrade`. */
export function addUpgrade(program: Command, session: Session): void {
  program
    .command('upgrade')
    .description('upgrade the gateway and the device of this host, beside their tunnels')
    .option('--to <version>', 'accept this version only')
    .option('--folder <dir>', 'take the release from a folder with SHA256SUMS, SHA256SUMS.sig and the archive')
    .option('--release-key <file>', 'public keys that may sign releases', releaseKeyFile)
    .option('--patience <seconds>', 'time until the new version must be healthy', '60')
    .option('--gateway-state-dir <dir>', 'state directory of the gateway', '/var/lib/sallyport/gateway')
    .option('--client-state-dir <dir>', 'state directory of the device', clientStateDir)
    .addOption(new Option('--report <request>', 'note each step for the agent of the gateway').hideHelp())
    .option('--dry-run', 'check the signed release and say what would happen')
    .addHelpText(
      'after',
      `
The new version runs beside the tunnels, which stay. It must hold the state and the tunnels of the old one. Otherwise the
old version returns by itself. A controller that does not answer is no reason to return.

Examples:
  sudo sally upgrade                              from the controller of this host
  sudo sally upgrade --folder /media/usb/release  without a network
  sudo sally upgrade --to 0.3.0 --dry-run`,
    )
    .action((flags: Flags) => upgrade(session, flags));
}

async function upgrade(session: Session, flags: Flags): Promise<void> {
  const { to, report: request } = flags;
  if (to !== undefined && !isVersion(to)) throw usage(`--to ${to} is no version`, 'A version looks like 0.3.0.');
  const patienceMs = secondsOf(flags.patience) * 1000;
  const tell = request === undefined ? noReport : await reportTo(flags.gatewayStateDir, request);
  try {
    const outcome = await upgradeHost(session, flags, patienceMs, tell);
    if (outcome === null) return;
    const returned = outcome.outcome === 'returned';
    await tell(returned ? 'returned' : 'done', returned ? outcome.faults.join('; ') : undefined);
    if (returned) throw new Finished(exitCodes.failed);
  } catch (error) {
    if (!(error instanceof Finished)) await tell('failed', error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Carries an upgrade out. Returns null after a dry run. */
async function upgradeHost(
  session: Session,
  { to, folder, releaseKey, dryRun = false, ...flags }: Flags,
  patienceMs: number,
  tell: Report,
): Promise<Outcome | null> {
  const layout = installedLayout();
  const agents = await runningAgents(flags);
  const from = currentVersion(layout);
  const source = folder === undefined ? await controllerOf(session, agents) : folderSource(folder);
  const wanted: Wanted = { source, keyFile: releaseKey, version: to, newerThan: from };
  const offer = await readOffer(wanted);
  if (dryRun) {
    report(session, { from, to: offer.version, outcome: 'dry-run', faults: [] }, agents);
    return null;
  }
  await tell('downloading');
  await bringVersion(layout, wanted, offer, () => tell('verifying'));
  await tell('trial');
  const outcome = await carryOut(session, { layout, version: offer.version, agents, patienceMs });
  report(session, outcome, agents);
  return outcome;
}

async function carryOut(
  session: Session,
  trial: Pick<TrialOptions, 'layout' | 'version' | 'agents' | 'patienceMs'>,
): Promise<Outcome> {
  const { signal: signalTo, stopRequested } = session.io;
  if (signalTo === undefined || stopRequested === undefined) throw usage('Start it as bin/sally upgrade');
  const stop = new AbortController();
  void stopRequested(() => 'Agents start with the old version again at their next start.\n').then(() => stop.abort());
  return tryVersion({
    ...trial,
    settleMs: Math.min(5_000, trial.patienceMs / 4),
    restartMs: Math.min(15_000, trial.patienceMs / 4),
    countDropsMs: 2_000,
    controllerAnswers,
    signalTo,
    tell: (text) => session.note(text),
    signal: stop.signal,
  });
}

function installedLayout(): Layout {
  const layout = layoutOf(root);
  if (layout !== null) return layout;
  throw new Failure(exitCodes.failed, `${root} was not installed by the script of a controller`, {
    hint: 'Upgrade a Debian package with apt, and a clone with git pull and scripts/setup.sh.',
  });
}

async function runningAgents({
  gatewayStateDir,
  clientStateDir: deviceDir,
}: Pick<Flags, 'gatewayStateDir' | 'clientStateDir'>): Promise<RunningAgent[]> {
  const found = [await findAgent('gateway', gatewayStateDir), await findAgent('client', deviceDir)];
  return found.filter((agent) => agent !== null);
}

const folderSource = (folder: string): Source => ({ kind: 'folder', folder: resolve(folder) });

/** The controller that is named with --url, else the one of an agent of this host. */
async function controllerOf({ flags }: Session, agents: readonly RunningAgent[]): Promise<Source> {
  const agent = agents.find(({ controller }) => controller !== null);
  const url = flags.url ?? agent?.controller;
  if (url === undefined || url === null)
    throw usage('No agent runs here that knows a controller', 'Name it with --url, or a folder with --folder.');
  const file = flags.caFile ?? agent?.caFile ?? null;
  const ca = file === null ? undefined : await readFile(file, 'utf8').catch(() => unreadable(file));
  return { kind: 'controller', url: url.replace(/^ws/, 'http'), ca };
}

function unreadable(file: string): never {
  throw new Failure(exitCodes.failed, `The certificates in ${file} cannot be read`);
}

/** Whether a TCP connection to the agent's controller opens: then a healthy agent is connected, too. */
function controllerAnswers({ controller }: RunningAgent): Promise<boolean> {
  const url = controller === null ? null : URL.parse(controller);
  if (url === null) return Promise.resolve(false);
  const port = Number(url.port) || (/^(https|wss):$/.test(url.protocol) ? 443 : 80);
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port, timeout: 2_000 });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,4}$/.test(text) && seconds >= 4 && seconds <= 3600) return seconds;
  throw usage(`--patience ${text} is no number of seconds from 4 to 3600`);
}

type Result = Omit<Outcome, 'outcome'> & { readonly outcome: Outcome['outcome'] | 'dry-run' };

function report(session: Session, result: Result, agents: readonly RunningAgent[]): void {
  const roles = agents.map(({ role }) => role);
  if (session.json) {
    session.out(`${JSON.stringify({ ...result, agents: roles })}\n`);
    return;
  }
  const { from, to, outcome, faults } = result;
  const who = roles.length === 0 ? 'No agent runs here' : `Agents: ${roles.join(', ')}`;
  const texts = {
    'dry-run': `Version ${to} is signed and newer than ${from}. ${who}. Nothing was changed.\n`,
    upgraded: `Upgraded from ${from} to ${to}. ${who}.\n`,
    returned: `Version ${to} was not healthy, and ${from} runs again: ${faults.join('; ')}\n`,
  };
  session.out(texts[outcome]);
}
