import type { DryRun } from '@sallyport/contract';
import type { Session } from './session.ts';
import { clean } from './text.ts';

/** What a write would change, who would gain and lose access, and that nothing was written. */
export function renderDryRun(plan: DryRun, session: Pick<Session, 'table'>): string {
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
  return `${changes}${access}${samples.join('')}${shown}Nothing was written.\n`;
}
