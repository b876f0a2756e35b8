import type { ResponseBody } from '@sallyport/contract';
import type { Answer } from '../client.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { moment } from '../text.ts';

/** A policy as the API returns it. */
export type Policy = ResponseBody<'getPolicy'>;

/** Columns of the table of policies. */
export const policyColumns: readonly Column<Policy>[] = [
  { heading: 'TYPE', cell: (p) => p.type },
  { heading: 'ORDER', cell: (p) => String(p.order) },
  { heading: 'NAME', cell: (p) => p.name },
  { heading: 'ACTION', cell: (p) => (p.action ? 'allow' : { text: 'deny', style: 'yellow' }) },
  { heading: 'WHO', cell: who },
  { heading: 'WHAT', cell: what },
  { heading: 'ID', cell: (p) => p.id },
];

/** Prints a policy as JSON, or as text for people. */
export function showPolicy(session: Session, answer: Answer<Policy>): void {
  session.show(answer, (policy, etag) =>
    session.details([
      ['Name', policy.name],
      ['Id', policy.id],
      ['Type', policy.type],
      ['Order', policy.isDefault ? `${policy.order} (default policy, always last)` : String(policy.order)],
      ['Action', policy.action ? 'allow' : 'deny'],
      ['Who', who(policy)],
      ['What', what(policy)],
      ['Through', policy.gateways?.map(({ name }) => name).join(', ') || undefined],
      ['Rule', policy.rule?.name],
      ['Condition', policy.rule?.rule],
      ['Description', policy.description],
      ['Updated at', moment(policy.updatedAt)],
      ['ETag', etag],
    ]),
  );
}

/** Prints a note when a new policy can match nothing. */
export function warnOfNothing(session: Session, policy: Policy): void {
  if (policy.type !== 'PRIVATE' && policy.type !== 'SAAS') return;
  if (who(policy) === 'nobody')
    session.note('Note: the policy matches no device yet; give --device, --all-devices or a similar option.');
  if (what(policy) === 'nothing')
    session.note('Note: the policy covers no resource yet; give --resource or --all-resources.');
}

function who(p: Policy): string {
  const parts = [
    p.allUsers
      ? 'all users'
      : names(
          'user',
          p.users?.map(({ email, id }) => email ?? id),
        ),
    p.allGroups
      ? 'all groups'
      : names(
          'group',
          p.groups?.map(({ name }) => name),
        ),
    p.allDevices
      ? 'all devices'
      : names(
          'device',
          p.devices?.map(({ name }) => name),
        ),
    names('source', p.sourceIps),
  ];
  return parts.filter((part) => part !== '').join('; ') || 'nobody';
}

function what(p: Policy): string {
  const resources = p.allResources
    ? 'all resources'
    : names(
        '',
        p.resources?.map(({ name }) => name),
      );
  const through = names(
    'through',
    p.gateways?.map(({ name }) => name),
  );
  return [p.mode ?? '', resources, through].filter((part) => part !== '').join('; ') || 'nothing';
}

function names(word: string, all: readonly string[] | undefined): string {
  if (all === undefined || all.length === 0) return '';
  const shown = all.slice(0, 3).join(', ') + (all.length > 3 ? ` and ${all.length - 3} more` : '');
  return `${word} ${shown}`.trim();
}
