import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { exitCodes, Failure } from '../failure.ts';
import { holderOf, type RunningAgent, readFacts } from './agents.ts';
import { type DropReading, dropFault, rateOf, readDrops } from './drops.ts';
import { type Facts, faultsOf } from './health.ts';
import { currentVersion, type Layout, removeVersions, switchCurrent, versionFolder } from './layout.ts';
import { livingProcess } from './processes.ts';
import { beginTrial, endTrial } from './trial.ts';

/** How a trial of a version is carried out. */
export interface TrialOptions {
  readonly layout: Layout;
  readonly version: string;
  readonly agents: readonly RunningAgent[];
  /** How long the new agents have to become healthy, milliseconds. */
  readonly patienceMs: number;
  /** How long they must stay healthy, milliseconds. */
  readonly settleMs: number;
  /** How long an ended agent may take to start again, milliseconds: longer than the pause of its service. */
  readonly restartMs: number;
  readonly controllerAnswers: (agent: RunningAgent) => Promise<boolean>;
  readonly signalTo: (pid: number, signal: 'SIGUSR2' | 'SIGKILL') => void;
  /** How long drops of the old version are counted before the trial, milliseconds. */
  readonly countDropsMs: number;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How a trial ended. */
export interface Outcome {
  readonly from: string;
  readonly to: string;
  readonly outcome: 'upgraded' | 'returned';
  /** Why the old version returned. */
  readonly faults: readonly string[];
}

/**
 * Tries a version that is on this host: restarts the agents with it while the tunnels stay, judges them, and makes the
 * version current, or returns to the old one. Only the last step of success changes what a later start uses.
 */
export async function tryVersion(options: TrialOptions): Promise<Outcome> {
  const { layout, version, agents, tell } = options;
  const from = currentVersion(layout);
  const before = new Map<RunningAgent, Facts>();
  for (const agent of agents) before.set(agent, await readFacts(agent));
  const drops = agents.length === 0 ? null : await dropsNow(options.countDropsMs);
  const other = await beginTrial(layout, version);
  if (other !== null) throw new Failure(exitCodes.conflict, `Another upgrade is under way, to version ${other}`);
  let faults: string[];
  try {
    tell(`Starting version ${version} beside the tunnels of ${from}.`);
    for (const agent of agents) await restart(options, agent);
    faults = await judge(options, before, drops);
    if (faults.length === 0) await switchCurrent(layout, version);
  } catch (error) {
    faults = [error instanceof Error ? error.message : String(error)];
  } finally {
    await endTrial(layout);
  }
  if (faults.length === 0) {
    await tidy(options, from).catch((error) => tell(`Not everything could be tidied up: ${error.message}`));
    return { from, to: version, outcome: 'upgraded', faults };
  }
  tell(`Version ${version} is not healthy: ${faults.join('; ')}. Returning to ${from}.`);
  for (const agent of agents) await comeBack(options, agent, from);
  return { from, to: version, outcome: 'returned', faults };
}

async function tidy({ layout, version }: TrialOptions, from: string): Promise<void> {
  await adoptReleaseKey(layout, version);
  await removeVersions(layout, [from]);
}

/** Waits until every agent is healthy, and drops no more than before, for a while. Returns the faults that lasted. */
async function judge(
  options: TrialOptions,
  before: ReadonlyMap<RunningAgent, Facts>,
  dropsBefore: number | null,
): Promise<string[]> {
  const { patienceMs, settleMs, restartMs, signal } = options;
  const began = performance.now();
  const seen = new Set<number>();
  let healthySince: number | null = null;
  let drops: DropReading | null = null;
  let runningAt = began;
  for (;;) {
    const faults = await faultsNow(options, before, seen);
    const now = performance.now();
    if (signal.aborted) return ['the upgrade was interrupted'];
    if (!faults.some((fault) => fault.endsWith(absent))) runningAt = now;
    if (faults.length > 0) healthySince = null;
    else if (healthySince === null) {
      healthySince = now;
      drops = await readDrops();
    } else if (now - healthySince >= settleMs) {
      const fault = dropFault(dropsBefore, rateOf(drops, await readDrops()));
      if (fault === null) return [];
      if (now - began >= patienceMs) return [fault];
      healthySince = null;
    }
    // Each agent has the process that it had, or one more for the start of the new version.
    if (seen.size > 2 * options.agents.length) return [...faults, 'the agent ends and starts again and again'];
    if (now - runningAt >= restartMs) return faults;
    if (healthySince === null && now - began >= patienceMs) return faults;
    await wait(pollMs);
  }
}

/** Returns the drops per second of the version that runs now; null when they cannot be read. */
async function dropsNow(ms: number): Promise<number | null> {
  const from = await readDrops();
  if (from === null) return null;
  await wait(ms);
  return rateOf(from, await readDrops());
}

const absent = 'the agent does not run';
const pollMs = 200;

async function faultsNow(
  { agents, version, controllerAnswers }: TrialOptions,
  before: ReadonlyMap<RunningAgent, Facts>,
  seen: Set<number>,
): Promise<string[]> {
  const all: string[] = [];
  for (const agent of agents) {
    const was = before.get(agent);
    if (was === undefined) continue;
    const now = await readFacts(agent);
    if (now.pid !== null) seen.add(now.pid);
    const lost = was.status?.connected === true && now.status?.connected === false;
    const trial = { version, before: was, now, controllerAnswers: lost && (await controllerAnswers(agent)) };
    all.push(...faultsOf(trial).map((fault) => `${agent.role}: ${fault}`));
  }
  return all;
}

/** Asks an agent to start again: with the version of the trial while there is one, else with the current one. */
async function restart({ signalTo }: TrialOptions, agent: RunningAgent): Promise<void> {
  const pid = await processOf(agent);
  if (pid !== null) signalTo(pid, 'SIGUSR2');
}

/** The process that holds the state directory, or the one that a version started in which takes no lock. */
const processOf = async (agent: RunningAgent): Promise<number | null> =>
  (await holderOf(agent.stateDir)) ?? livingProcess(agent.process);

/** Brings the current version back, whatever the other one does. */
async function comeBack(options: TrialOptions, agent: RunningAgent, version: string): Promise<void> {
  const { restartMs, layout, tell, signalTo } = options;
  const began = performance.now();
  // An agent that was absent throughout the judgement has no service that starts it.
  let absentSince = (await processOf(agent)) === null ? began - restartMs : null;
  await restart(options, agent);
  for (let stage: 'asked' | 'killed' | 'started' = 'asked'; ; ) {
    const [{ status }, pid] = [await readFacts(agent), await processOf(agent)];
    const now = performance.now();
    if (status?.version === version) return;
    if (now - began > longestReturnMs)
      throw new Failure(exitCodes.failed, `Version ${version} of the ${agent.role} did not start again`, {
        hint: `The tunnels stay. Start it: sally ${agent.role} ${agent.args.join(' ')}`,
      });
    absentSince = pid === null ? (absentSince ?? now) : null;
    if (stage === 'asked' && pid !== null && now - began > restartMs) {
      tell(`The ${agent.role} does not answer: it is ended.`);
      signalTo(pid, 'SIGKILL');
      stage = 'killed';
    }
    // Its service starts it again. Where there is none, this does.
    if (stage !== 'started' && absentSince !== null && now - absentSince >= restartMs) {
      startAgain(layout, agent);
      stage = 'started';
    }
    await wait(pollMs);
  }
}

const longestReturnMs = 120_000;

function startAgain({ home }: Layout, { role, args, env }: RunningAgent): void {
  const child = spawn(join(home, 'current/bin/sally'), [role, ...args], { detached: true, stdio: 'ignore', env });
  child.once('error', () => undefined);
  child.unref();
}

/** A signed release may bring the next release key. */
async function adoptReleaseKey(layout: Layout, version: string): Promise<void> {
  const key = join(versionFolder(layout, version), 'release-key.pem');
  if (!existsSync(key) || !existsSync(releaseKeyFile)) return;
  await copyFile(key, `${releaseKeyFile}.new`);
  await rename(`${releaseKeyFile}.new`, releaseKeyFile);
}

/** Public keys of releases that this host trusts. */
export const releaseKeyFile = '/etc/sallyport/release-key.pem';
