import type { Input, Moment, Phase } from './types.ts';

/** Actions of the session on an input. */
export interface Steps {
  readonly start: Step<'start'>;
  readonly hello: Step<'opened'>;
  readonly receive: Step<'message'>;
  readonly heard: Step<'pong'>;
  readonly lost: Step<'closed'>;
  readonly applied: Step<'applied'>;
  readonly applyFailed: Step<'apply-failed'>;
  readonly drift: Step<'drift'>;
  readonly heartbeat: Step<'heartbeat-ready'>;
  readonly discardHeartbeat: Step<'heartbeat-ready'>;
  readonly probed: Step<'probed'>;
  readonly noticed: Step<'noticed'>;
  readonly findPath: Step<'find-path'>;
  readonly askName: Step<'ask-name'>;
  readonly noController: Step<'ask-name'>;
  readonly namesUsed: Step<'names-used'>;
  readonly keepUsedNames: Step<'names-used'>;
  readonly posture: Step<'posture'>;
  /** Keeps the facts for the next welcome. */
  readonly keepPosture: Step<'posture'>;
  readonly upgrading: Step<'upgrading'>;
  /** In a phase that waits for the other side, the session gives up at the timeout. */
  readonly giveUp: Step<'tick'>;
  /** In a phase that waits for a retry, the session connects at the end. */
  readonly retry: Step<'tick'>;
  readonly beat: Step<'tick'>;
  readonly stop: Step<'stop'>;
  readonly ignore: () => void;
}

/** A method of the session that handles one kind of input. */
export type Step<K extends Input['kind']> = (input: Extract<Input, { kind: K }>, moment: Moment) => void;

type StepFor<K extends Input['kind']> = {
  [S in keyof Steps]: Steps[S] extends Step<K> ? S : never;
}[keyof Steps];

type Row = { readonly [K in Input['kind']]: StepFor<K> };

/** Inputs of the data plane and the disk do not depend on the phase. */
const always = {
  start: 'ignore',
  applied: 'applied',
  'apply-failed': 'applyFailed',
  drift: 'drift',
  posture: 'keepPosture',
  stop: 'stop',
} as const;

/** Ignores an input while not connected, or keeps it. The next connection receives everything. */
const untold = {
  probed: 'ignore',
  noticed: 'ignore',
  'find-path': 'ignore',
  'ask-name': 'noController',
  'names-used': 'keepUsedNames',
  upgrading: 'ignore',
} as const;

const deaf = { ...untold, opened: 'ignore', message: 'ignore', pong: 'ignore', closed: 'ignore' } as const;

const inert: Row = {
  ...deaf,
  start: 'ignore',
  applied: 'ignore',
  'apply-failed': 'ignore',
  drift: 'ignore',
  'heartbeat-ready': 'ignore',
  posture: 'ignore',
  tick: 'ignore',
  stop: 'ignore',
};

const shaking = {
  ...always,
  ...untold,
  opened: 'ignore',
  message: 'receive',
  pong: 'heard',
  closed: 'lost',
  'heartbeat-ready': 'discardHeartbeat',
  tick: 'giveUp',
} as const;

const pausing = { ...always, ...deaf, 'heartbeat-ready': 'discardHeartbeat', tick: 'retry' } as const;

/** The total transition table: every phase answers every input. */
export const transitions: { readonly [P in Phase]: Row } = {
  idle: { ...inert, start: 'start', posture: 'keepPosture', stop: 'stop' },
  connecting: { ...shaking, opened: 'hello', message: 'ignore' },
  greeting: shaking,
  authenticating: shaking,
  live: {
    ...shaking,
    'heartbeat-ready': 'heartbeat',
    probed: 'probed',
    noticed: 'noticed',
    'find-path': 'findPath',
    'ask-name': 'askName',
    'names-used': 'namesUsed',
    posture: 'posture',
    upgrading: 'upgrading',
    tick: 'beat',
  },
  waiting: pausing,
  refused: pausing,
  stopped: inert,
};

/** Returns whether a socket is open, or is being opened, in this phase. */
export function isConnected(phase: Phase): boolean {
  return phase === 'connecting' || phase === 'greeting' || phase === 'authenticating' || phase === 'live';
}
