import type { GatewayStatistics, LiveMessage, LiveOverview, LiveTopics } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Client } from '../client.ts';
import { follow } from '../follow.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session } from '../session.ts';
import { byteCount, clean } from '../text.ts';
import { pathText } from './device-view.ts';
import { count, repeated } from './options.ts';

interface WatchFlags {
  readonly gateway?: readonly string[];
  readonly device?: readonly string[];
  readonly overview?: boolean;
  readonly changes?: boolean;
  readonly limit?: string;
}

/** Adds `sally watch`. */
export function addWatch(program: Command, session: Session): void {
  program
    .command('watch')
    .description('print status, statistics and changes as they happen, at most once a second')
    .addOption(repeated('--gateway <gateway>', 'status and statistics of this gateway'))
    .addOption(repeated('--device <device>', 'status and paths of this device'))
    .option('--overview', 'how many gateways and devices are online (default without --gateway and --device)')
    .option('--changes', 'changed objects (default without --gateway and --device)')
    .option('--limit <n>', 'stop after this many messages')
    .action(async (flags: WatchFlags) => watch(session, flags));
}

/** Names as the user typed them, by id. */
type Names = ReadonlyMap<string, string>;

async function watch(session: Session, flags: WatchFlags): Promise<void> {
  const limit = count('--limit', flags.limit) ?? Number.POSITIVE_INFINITY;
  const api = await session.api();
  const [gateways, devices] = [
    await idsOf(api, 'gateway', flags.gateway ?? []),
    await idsOf(api, 'device', flags.device ?? []),
  ];
  const names: Names = new Map([...gateways, ...devices]);
  const all = names.size === 0;
  const topics: LiveTopics = {
    gateways: [...gateways.keys()],
    statistics: [...gateways.keys()],
    devices: [...devices.keys()],
    paths: [...devices.keys()],
    overview: flags.overview ?? (all && flags.changes === undefined),
  };
  const changes = flags.changes ?? (all && flags.overview === undefined);
  let seen = 0;
  if (seen >= limit) return;
  await follow(session, api, {
    name: 'followLive',
    take: async ({ text, body }) => {
      const { stream, revision: _, ...news } = body;
      if (stream !== undefined) await api.call('setLiveTopics', { params: { id: stream }, body: topics });
      if (Object.keys(news).length === 0) return true;
      const lines = session.json ? [text] : linesOf(body, names, changes);
      for (const line of lines) session.out(`${line}\n`);
      return ++seen < limit;
    },
  });
}

async function idsOf(api: Client, kind: 'gateway' | 'device', texts: readonly string[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const text of texts) ids.set(await resolveId(api, kinds[kind], text), text);
  return ids;
}

function linesOf(message: LiveMessage, names: Names, changes: boolean): string[] {
  const { revision } = message;
  const named = (kind: string, id: string) => `${kind} ${clean(names.get(id) ?? id)}`;
  return [
    ...(message.reload ? [`${revision}  some changes were left out: read the objects again`] : []),
    ...(changes ? (message.changes ?? []) : []).map(({ kind, id, op }) => `${revision}  ${op}  ${clean(kind)} ${id}`),
    ...(message.gateways ?? []).map(({ id, status, error }) => joined(named('gateway', id), status, error)),
    ...(message.devices ?? []).map(({ id, status }) => joined(named('device', id), status)),
    ...(message.statistics ?? []).map(({ id, ...rest }) => joined(named('gateway', id), ...statisticsOf(rest))),
    ...(message.paths ?? []).flatMap(({ id, paths }) =>
      paths.map((path) => joined(named('device', id), `to ${path.gateway.name}`, pathText(path))),
    ),
    ...(message.unknown ?? []).map((id) => `${clean(names.get(id) ?? id)} no longer exists`),
    ...(message.overview === undefined ? [] : [overviewOf(message.overview)]),
  ];
}

const joined = (...parts: readonly (string | undefined)[]): string =>
  parts.flatMap((part) => (part === undefined ? [] : [clean(part)])).join('  ');

function statisticsOf({ connectedDevices, bytesIn, bytesOut, lag }: GatewayStatistics): string[] {
  return [
    `${connectedDevices} connected`,
    `${byteCount(bytesIn)} in, ${byteCount(bytesOut)} out`,
    ...(lag === undefined || lag === 0 ? [] : [`${lag} changes not applied yet`]),
  ];
}

function overviewOf({ gateways, devices }: LiveOverview): string {
  const counts = Object.entries(gateways).map(([status, number]) => `${number} ${status}`);
  return `gateways: ${counts.join(', ') || 'none'}; devices: ${devices.online} of ${devices.total} online`;
}
