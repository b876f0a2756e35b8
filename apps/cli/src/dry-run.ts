import type { DryRun } from '@sallyport/contract';
import type { Client } from './client.ts';
import { Failure } from './failure.ts';
import { isId } from './ids.ts';
import type { Column } from './table.ts';
import { clean } from './text.ts';

/** Lays out items in columns. */
interface Tables {
  table<T>(columns: readonly Column<T>[], items: readonly T[]): string;
}

/** Formats the changes of a dry run, the access gained and lost, and a note that nothing was written. */
export function renderDryRun(plan: DryRun, session: Tables): string {
  const changes =
    plan.changes.length === 0
      ? 'Nothing would change.\n'
      : session.table(
          [
            { heading: 'WOULD', cell: (change) => change.action },
            { heading: 'KIND', cell: (change) => change.kind },
            { heading: 'NAME', cell: (change) => change.name ?? '-' },
            { heading: 'ID', cell: (change) => change.id },
          ],
          plan.changes,
        );
  const samples = plan.samples.map(
    ({ change, device, resource }) => `  ${change === 'gained' ? '+' : '-'} ${clean(device)} → ${clean(resource)}\n`,
  );
  const shown = plan.gained + plan.lost > plan.samples.length && samples.length > 0 ? '  …\n' : '';
  const access = `Access: ${plan.gained} gained, ${plan.lost} lost (device and resource pairs)\n`;
  return `${changes}${access}${samples.join('')}${shown}Nothing was written. To write exactly this: --if-match r${plan.revision}\n`;
}

/** Returns the plan with names instead of ids in its first samples. An id without an object stays. */
export async function withNames(api: Client, plan: DryRun): Promise<DryRun> {
  const samples = plan.samples.slice(0, MAX_SAMPLES);
  const devices = await namesOf(
    samples.map(({ device }) => device),
    async (id) => (await api.call('getDevice', { params: { id } })).body.name,
  );
  const resources = await namesOf(
    samples.map(({ resource }) => resource),
    async (id) => (await api.call('getResource', { params: { id } })).body.name,
  );
  const named = samples.map(({ change, device, resource }) => ({
    change,
    device: devices.get(device) ?? device,
    resource: resources.get(resource) ?? resource,
  }));
  return { ...plan, samples: named };
}

const MAX_SAMPLES = 20;

async function namesOf(ids: readonly string[], read: (id: string) => Promise<string>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const id of new Set(ids.filter(isId))) {
    try {
      names.set(id, await read(id));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return names;
}
