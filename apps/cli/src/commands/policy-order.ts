import { type PolicyType, policyType } from '@sallyport/contract';
import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { choice, writes } from './options.ts';
import { type Policy, policyColumns } from './policy-view.ts';

/** Place to which `sally policies move` moves a policy. */
export interface Place {
  readonly top?: boolean;
  readonly bottom?: boolean;
  readonly before?: string;
  readonly after?: string;
  /** Position; 1 is the top. */
  readonly to?: string;
}

/** Adds `sally policies reorder` and `sally policies move`. */
export function addOrder(group: Command, session: Session): void {
  const reorder = group
    .command('reorder')
    .argument('<policies...>', 'all policies of the type except the default policy, highest first')
    .description('put all policies of one type in order')
    .addOption(choice('--type <type>', 'type of the policies', policyType.options).default('PRIVATE'));
  writes(reorder, 'reorderPolicies').action(async (texts: string[], flags: WriteFlags & { type: PolicyType }) => {
    const policies = await resolveIds(await session.api(), kinds.policy, texts);
    await save(session, flags, flags.type, policies);
  });
  const move = group
    .command('move')
    .argument('<policy>', 'name or id')
    .description('move one policy among those of its type')
    .option('--top', 'first in the order')
    .option('--bottom', 'last before the default policy')
    .option('--before <policy>', 'directly above this one')
    .option('--after <policy>', 'directly below this one')
    .option('--to <n>', 'to this position; 1 is the top');
  writes(move, 'reorderPolicies').action(async (text: string, flags: WriteFlags & Place) =>
    movePolicy(session, text, flags),
  );
}

/** Returns the ids with `id` at its new position. `anchor` is the id that `before` or `after` names. */
export function moved(order: readonly string[], id: string, place: Place, anchor?: string): string[] {
  const rest = order.filter((other) => other !== id);
  return rest.toSpliced(indexFor(rest, place, anchor), 0, id);
}

function indexFor(rest: readonly string[], place: Place, anchor: string | undefined): number {
  if (place.top === true) return 0;
  if (place.bottom === true) return rest.length;
  if (place.to !== undefined) {
    if (!/^[1-9][0-9]{0,5}$/.test(place.to)) throw usage(`Not a position: ${place.to}`, '1 is the top.');
    return Math.min(Number(place.to) - 1, rest.length);
  }
  const index = rest.indexOf(anchor ?? '');
  if (index === -1) throw usage('The other policy has another type or is the default policy');
  return place.before === undefined ? index + 1 : index;
}

async function movePolicy(session: Session, text: string, flags: WriteFlags & Place): Promise<void> {
  const places = [flags.top, flags.bottom, flags.before, flags.after, flags.to].filter((place) => place !== undefined);
  if (places.length !== 1)
    throw usage('Exactly one position is required', 'Give one of --top, --bottom, --before, --after, --to.');
  const api = await session.api();
  const all = (await api.call('listPolicies')).body;
  const id = await resolveId(api, kinds.policy, text);
  const policy = all.find((other) => other.id === id);
  if (policy === undefined) throw usage(`There is no policy with the id ${id}`);
  if (policy.isDefault) throw usage(`The default policy ${clean(policy.name)} is always the last`);
  const other = flags.before ?? flags.after;
  const anchor = other === undefined ? undefined : await resolveId(api, kinds.policy, other);
  const order = all.filter(({ type, isDefault }) => type === policy.type && !isDefault).toSorted(byOrder);
  await save(
    session,
    flags,
    policy.type,
    moved(
      order.map((p) => p.id),
      id,
      flags,
      anchor,
    ),
  );
}

const byOrder = (a: Policy, b: Policy): number => a.order - b.order;

async function save(session: Session, flags: WriteFlags, type: PolicyType, policies: string[]): Promise<void> {
  const answer = await session.write('reorderPolicies', flags, { body: { type, policies } });
  if (answer !== undefined) session.show(answer, (body) => session.table(policyColumns, body));
}
