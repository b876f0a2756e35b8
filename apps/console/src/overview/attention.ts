import type { GatewaySummary, ResourceSummary } from '@sallyport/contract';

/** Something that needs a person. */
export interface Attention {
  readonly key: string;
  readonly meaning: 'bad' | 'warn';
  readonly object: string;
  readonly to: string;
  readonly search?: Record<string, string>;
  readonly what: string;
  readonly why: string;
  readonly since?: string | undefined;
  readonly action: string;
}

/** What needs a person, the worst first. */
export const attentionOf = (
  gateways: readonly GatewaySummary[],
  resources: readonly ResourceSummary[],
  expired: number,
): Attention[] =>
  [...gateways.flatMap(ofGateway), ...resources.flatMap(ofResource), ...ofInvitations(expired)].sort(
    (a, b) => severity(a) - severity(b),
  );

const severity = ({ meaning }: Attention): number => (meaning === 'bad' ? 0 : 1);

function ofGateway({ id, name, status, error, lastOnline, intent }: GatewaySummary): Attention[] {
  const common = { key: id, object: name, to: `/gateways/${id}`, since: lastOnline };
  if (status === 'ERROR')
    return [
      {
        ...common,
        meaning: 'bad',
        what: 'The gateway reports an error',
        why: error ?? 'It gave no reason.',
        search: { tab: 'test' },
        action: 'Test gateway',
      },
    ];
  if (status !== 'OFFLINE' || intent === 'OFFLINE') return [];
  return [
    {
      ...common,
      meaning: 'warn',
      what: 'The gateway is offline',
      why: 'Its agent does not answer. Check the host and its network.',
      search: { tab: 'deploy' },
      action: 'See how to start it',
    },
  ];
}

const ofResource = ({ id, name, unreachableReason }: ResourceSummary): Attention[] =>
  unreachableReason === undefined
    ? []
    : [
        {
          key: id,
          meaning: 'warn',
          object: name,
          to: '/resources',
          search: { id },
          what: 'No device reaches the resource',
          why: unreachableReason,
          action: 'Open resource',
        },
      ];

const ofInvitations = (expired: number): Attention[] =>
  expired === 0
    ? []
    : [
        {
          key: 'expired',
          meaning: 'warn',
          object: `${expired.toLocaleString('en')} ${expired === 1 ? 'invitation' : 'invitations'}`,
          to: '/users',
          search: { status: 'EXPIRED' },
          what: expired === 1 ? 'Expired without an answer' : 'Expired without answers',
          why: 'An invitation is valid for seven days.',
          action: 'Show users',
        },
      ];
