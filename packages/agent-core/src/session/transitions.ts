import type { ControllerMessage } from '@sallyport/contract/channel';
import type { Input, Moment, Phase } from './types.ts';

/** What the session can do on an input. */
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
  /** A phase that waits for the other side: it gives up at its end. */
  readonly giveUp: Step<'tick'>;
  /** A phase that waits for time to pass: it connects at its end. */
  readonly retry: Step<'tick'>;
  readonly beat: Step<'tick'>;
  readonly stop: Step<'stop'>;
  readonly ignore: () => void;
}

export type Step<K extends Input['kind']> = (input: Extract<Input, { kind: K }>, moment: Moment) => void;

type StepFor<K extends Input['kind']> = {
  [S in keyof Steps]: Steps[S] extends Step<K> ? S : never;
}[keyof Steps];

type Row = { readonly [K in Input['kind']]: StepFor<K> };

/** The data plane and the disk do not care where the connection stands. */
const always = {
  start: 'ignore',
  applied: 'applied',
  'apply-failed': 'applyFailed',
  drift: 'drift',
  stop: 'stop',
} as const;

const deaf = { opened: 'ignore', message: 'ignore', pong: 'ignore', closed: 'ignore', probed: 'ignore' } as const;

const inert: Row = {
  ...deaf,
  start: 'ignore',
  applied: 'ignore',
  'apply-failed': 'ignore',
  drift: 'ignore',
  'heartbeat-ready': 'ignore',
  tick: 'ignore',
  stop: 'ignore',
};

const shaking = {
  ...always,
  opened: 'ignore',
  message: 'receive',
  pong: 'heard',
  closed: 'lost',
  probed: 'ignore',
  'heartbeat-ready': 'discardHeartbeat',
  tick: 'giveUp',
} as const;

const pausing = { ...always, ...deaf, 'heartbeat-ready': 'discardHeartbeat', tick: 'retry' } as const;

/** The total transition table: every phase answers every input. */
export const transitions: { readonly [P in Phase]: Row } = {
  idle: { ...inert, start: 'start', stop: 'stop' },
  connecting: { ...shaking, opened: 'hello', message: 'ignore' },
  greeting: shaking,
  authenticating: shaking,
  live: { ...shaking, 'heartbeat-ready': 'heartbeat', probed: 'probed', tick: 'beat' },
  waiting: pausing,
  refused: pausing,
  stopped: inert,
};

/** What the controller may say when. Anything else ends the connection. */
export const expectedMessages: { readonly [P in Phase]: readonly ControllerMessage['type'][] } = {
  idle: [],
  connecting: [],
  greeting: ['challenge', 'refused'],
  authenticating: ['welcome', 'refused'],
  live: ['snapshot', 'delta', 'lease', 'probe', 'refused'],
  waiting: [],
  refused: [],
  stopped: [],
};

export function isConnected(phase: Phase): boolean {
  return phase === 'connecting' || phase === 'greeting' || phase === 'authenticating' || phase === 'live';
}
