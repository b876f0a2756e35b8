import type { AgentMessage, Mapping, Named, Punch, SealedChannel, Upgrade } from '@sallyport/contract/channel';
import type { DeliveryStep } from './delivery.ts';
import type { RefusalCode } from './refusals.ts';
import type { StateFeed } from './state-feed.ts';
import type { DesiredState } from './types.ts';

/**
 * greeting: waits for hello. proving: the controller has proven itself and waits for the agent's proof. admitting: the
 * agent has proven its key, and the directory is asked. live: state flows. closed: no input has an effect.
 */
export type Phase = 'greeting' | 'proving' | 'admitting' | 'live' | 'closed';

/** Input of a session that is no message of the agent. */
export type SessionEvent =
  /** A frame that is no message of the protocol, or is not sealed correctly. */
  | { readonly type: 'garbage' }
  /** Another peer needs the place of this handshake, which has proven nothing yet. */
  | { readonly type: 'evicted' }
  /** A deadline may have passed. */
  | { readonly type: 'time' }
  | {
      readonly type: 'admitted';
      readonly name: string;
      readonly feed: StateFeed;
      readonly state: DesiredState;
      readonly leaseMs: () => number;
      readonly leaseFrom?: (() => number | null) | undefined;
      /** Interval of the agent's heartbeats. */
      readonly heartbeatMs: number;
      /** Returns the mapping that the beacon sees for the agent now. */
      readonly mapping: () => Mapping;
    }
  /** The connection must end, for a reason outside of it. */
  | { readonly type: 'rejected'; readonly code: RefusalCode }
  /** The feed changed. */
  | { readonly type: 'changed' }
  | { readonly type: 'loaded'; readonly state: DesiredState | null }
  | { readonly type: 'congested' }
  | { readonly type: 'drained' }
  | { readonly type: 'ask'; readonly request: string }
  | { readonly type: 'punched'; readonly message: Punch }
  | { readonly type: 'upgrade-asked'; readonly message: Upgrade }
  | { readonly type: 'answered-name'; readonly message: Named }
  /** The socket is gone. */
  | { readonly type: 'lost' };

/** Any input of a session. */
export type SessionInput = AgentMessage | SessionEvent;

type Message<T extends AgentMessage['type']> = Extract<AgentMessage, { type: T }>;
/** First message of an agent. */
export type Hello = Message<'hello'>;
/** Message in which an agent proves its keys. */
export type Proof = Message<'authenticate'>;
/** Message of a live agent that does not concern the session itself. */
export type Report = Message<
  | 'applied'
  | 'failed'
  | 'heartbeat'
  | 'probed'
  | 'noticed'
  | 'find-path'
  | 'ask-name'
  | 'names-used'
  | 'posture'
  | 'upgrading'
>;

/** Effect that the owner of a session must carry out, in order. */
export type SessionEffect =
  | DeliveryStep
  /** Seals everything after the messages sent so far, in both directions. */
  | { readonly kind: 'seal'; readonly channel: SealedChannel }
  /** Ask the directory; answer with `admitted` or `rejected`. */
  | { readonly kind: 'admit'; readonly hello: Hello; readonly proof: Proof }
  /** Comes from a live agent only. */
  | { readonly kind: 'report'; readonly message: Report }
  /** Close the connection after the messages that were sent. `phase` is the phase in which it ended. */
  | {
      readonly kind: 'end';
      readonly code: RefusalCode | 'handshake-time' | 'evicted' | 'silent' | 'stalled' | 'lost';
      readonly phase: Phase;
    };
