import { cleanLines } from '@sallyport/contract/text';
import { askJson } from '../backup/operator-socket.ts';
import { strictArguments, UsageError } from '../backup/strict-arguments.ts';
import type { DatabaseServer } from '../db/postgres/open.ts';
import type { ReplicasView, ReplicaView } from './overview.ts';

/** The command that lists the controllers of a database. */
export interface ReplicasCommand {
  readonly step: 'help' | 'list';
  readonly dataDir: string;
  readonly json: boolean;
}

/** Help of the command. */
export const replicasHelp = `Usage: sally operator replicas [options]

Lists the controllers that use the database of the running controller, and those that ended within
the last day: version, agents connected to it, revisions that it was behind when it last looked,
last contact with the database, and by how much the clock of its machine is wrong. Says which
server of the database is used, and whether a failover of it can lose acknowledged changes.

  --data-dir DIR    data directory of the controller (SALLYPORT_DATA_DIR, ./data)
  --json            print the result as JSON

Exit codes: 0 done, 1 failed, 2 wrong usage.
`;

/** Returns the command when the first word names it; otherwise null. Throws UsageError. */
export function parseReplicas(args: readonly string[], dataDir: string | undefined): ReplicasCommand | null {
  const [name, ...rest] = args;
  if (name !== 'replicas') return null;
  const { values } = strictArguments(name, { args: rest, options, strict: true });
  if (values['data-dir'] === '') throw new UsageError('--data-dir: the value is empty');
  const step = values.help === true ? 'help' : 'list';
  return { step, dataDir: values['data-dir'] ?? (dataDir || './data'), json: values.json === true };
}

const options = {
  'data-dir': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Carries the command out through the running controller. Returns what to print. Throws OperatorError. */
export async function listReplicas({ step, dataDir, json }: ReplicasCommand, signal: AbortSignal): Promise<string> {
  if (step === 'help') return replicasHelp;
  const view = await askJson<ReplicasView>({ path: '/replicas', dataDir, signal, doing: 'controllers are listed' });
  return json ? `${JSON.stringify(view)}\n` : cleanLines(replicasText(view));
}

/** Describes the controllers of a database for people. */
export function replicasText({ shared, at, controllers, database }: ReplicasView): string {
  const now = Date.parse(at);
  const heading = shared
    ? `Controllers that share the database: ${controllers.filter(({ alive }) => alive).length}`
    : 'This controller has its database alone.';
  const rows = [headings, ...controllers.map((controller) => cells(controller, now))];
  const widths = headings.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const server = !database ? '' : `\n${serverText(database)}\n`;
  return `${heading}\n${server}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

function serverText({ address, timeline, replication: { kind, standbys } }: DatabaseServer): string {
  const attached = standbys === 0 ? 'no standby attached' : `attached: ${standbys}`;
  const replication = kind === 'none' ? kind : `${kind} (${attached})`;
  return `Database: ${address}, timeline ${timeline ?? 'unknown'}, replication ${replication}`;
}

const headings = ['CONTROLLER', 'STATE', 'VERSION', 'AGENTS', 'BEHIND', 'LAST CONTACT', 'CLOCK', 'RUNNING FOR', 'ID'];

function cells(controller: ReplicaView, now: number): string[] {
  const { id, name, version, self, alive, agents, behind, skewMs, startedAt, lastContact } = controller;
  const state = self ? 'this one' : alive ? 'alive' : 'ended';
  const age = (moment: string) => duration(now - Date.parse(moment));
  const running = alive ? age(startedAt) : '-';
  return [name, state, version, `${agents}`, `${behind}`, `${age(lastContact)} ago`, clock(skewMs), running, id];
}

const clock = (skewMs: number): string =>
  skewMs === 0 ? 'right' : `${Math.abs(skewMs)} ms ${skewMs > 0 ? 'slow' : 'fast'}`;

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
