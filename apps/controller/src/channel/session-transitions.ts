import type { Phase, Report, SessionEffect, SessionInput } from './session-types.ts';

/** What the session can do on an input. */
export interface Steps {
  readonly challenge: Step<'hello'>;
  readonly prove: Step<'authenticate'>;
  readonly report: Reporting;
  /** A message that only gateways have a reason to send. */
  readonly gatewayReport: Reporting;
  /** A message that only devices have a reason to send. */
  readonly deviceReport: Reporting;
  readonly needSnapshot: Step<'need-snapshot'>;
  readonly admitted: Step<'admitted'>;
  readonly reject: Step<'rejected'>;
  readonly flush: Step<'changed'>;
  readonly loaded: Step<'loaded'>;
  readonly congested: Step<'congested'>;
  readonly drained: Step<'drained'>;
  readonly ask: Step<'ask'>;
  readonly punch: Step<'punched'>;
  readonly askUpgrade: Step<'upgrade-asked'>;
  readonly answerName: Step<'answered-name'>;
  readonly handshakeTime: Step<'time'>;
  readonly liveTime: Step<'time'>;
  readonly evict: Step<'evicted'>;
  readonly lose: Step<'lost'>;
  /** The agent breaks the protocol: the connection ends. */
  readonly unexpected: () => SessionEffect[];
  readonly ignore: () => SessionEffect[];
}

type Step<T extends SessionInput['type']> = (input: Extract<SessionInput, { type: T }>, now: number) => SessionEffect[];

type Reporting = (message: Report, now: number) => SessionEffect[];

/** What a step takes; a step without arguments takes any input. */
type InputOf<S extends keyof Steps> = Parameters<Steps[S]> extends [infer I, ...unknown[]] ? I : unknown;

type StepFor<T extends SessionInput['type']> = {
  [S in keyof Steps]: Extract<SessionInput, { type: T }> extends InputOf<S> ? S : never;
}[keyof Steps];

type Row = { readonly [T in SessionInput['type']]: StepFor<T> };

/** Messages of the agent that have no place before it is admitted. */
const noMessages = {
  hello: 'unexpected',
  authenticate: 'unexpected',
  applied: 'unexpected',
  failed: 'unexpected',
  'need-snapshot': 'unexpected',
  heartbeat: 'unexpected',
  probed: 'unexpected',
  noticed: 'unexpected',
  'find-path': 'unexpected',
  'ask-name': 'unexpected',
  'names-used': 'unexpected',
  posture: 'unexpected',
  upgrading: 'unexpected',
  garbage: 'unexpected',
} as const;

/** Events about a state that does not flow yet. */
const noState = {
  admitted: 'ignore',
  changed: 'ignore',
  loaded: 'ignore',
  congested: 'ignore',
  drained: 'ignore',
  ask: 'ignore',
  punched: 'ignore',
  'upgrade-asked': 'ignore',
  'answered-name': 'ignore',
} as const;

const shaking = {
  ...noMessages,
  ...noState,
  evicted: 'evict',
  time: 'handshakeTime',
  rejected: 'reject',
  lost: 'lose',
} as const;

/** What each input does in each phase. Total: the compiler refuses a gap. */
export const transitions: { readonly [P in Phase]: Row } = {
  greeting: { ...shaking, hello: 'challenge' },
  proving: { ...shaking, authenticate: 'prove' },
  admitting: { ...shaking, evicted: 'ignore', time: 'ignore', admitted: 'admitted' },
  live: {
    hello: 'unexpected',
    authenticate: 'unexpected',
    applied: 'report',
    failed: 'report',
    'need-snapshot': 'needSnapshot',
    heartbeat: 'report',
    probed: 'gatewayReport',
    noticed: 'gatewayReport',
    'find-path': 'report',
    'ask-name': 'gatewayReport',
    'names-used': 'gatewayReport',
    posture: 'deviceReport',
    upgrading: 'gatewayReport',
    garbage: 'unexpected',
    evicted: 'ignore',
    time: 'liveTime',
    admitted: 'ignore',
    rejected: 'reject',
    changed: 'flush',
    loaded: 'loaded',
    congested: 'congested',
    drained: 'drained',
    ask: 'ask',
    punched: 'punch',
    'upgrade-asked': 'askUpgrade',
    'answered-name': 'answerName',
    lost: 'lose',
  },
  closed: {
    hello: 'ignore',
    authenticate: 'ignore',
    applied: 'ignore',
    failed: 'ignore',
    'need-snapshot': 'ignore',
    heartbeat: 'ignore',
    probed: 'ignore',
    noticed: 'ignore',
    'find-path': 'ignore',
    'ask-name': 'ignore',
    'names-used': 'ignore',
    posture: 'ignore',
    upgrading: 'ignore',
    garbage: 'ignore',
    evicted: 'ignore',
    time: 'ignore',
    rejected: 'ignore',
    ...noState,
    lost: 'ignore',
  },
};
