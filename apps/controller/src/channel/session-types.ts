import type { AgentMessage, Mapping, Punch, SealedChannel } from '@sallyport/contract/channel';
import type { DeliveryStep } from './delivery.ts';
import type { RefusalCode } from './refusals.ts';
import type { StateFeed } from './state-feed.ts';
import type { DesiredState } from './types.ts';

/**
 * greeting: waits for hello. proving: has proven itself, waits for the agent's proof. admitting: the agent has proven that it
 * holds its key, the directory is asked. live: state flows. closed: nothing happens any more.
 */
export type Phase = 'greeting' | 'proving' | 'admitting' | 'live' | 'closed';

export type SessionEvent =
  /** A frame that is no message of the protocol, or not sealed as it must be. */
  | { readonly type: 'garbage' }
  /** Others need the place of a handshake that has proven nothing yet. */
  | { readonly type: 'evicted' }
  /** A deadline may have passed. */
  | { readonly type: 'time' }
  | {
      readonly type: 'admitted';
      readonly name: string;
      readonly feed: StateFeed;
      readonly state: DesiredState;
      readonly leaseMs: () => number;
      /** What the beacon sees of the agent at present. */
      readonly mapping: () => Mapping;
    }
  /** The connection must end, at any time and for any reason outside of it. */
  | { readonly type: 'rejected'; readonly code: RefusalCode }
  /** The feed moved. */
  | { readonly type: 'changed' }
  | { readonly type: 'loaded'; readonly state: DesiredState | null }
  | { readonly type: 'congested' }
  | { readonly type: 'drained' }
  | { readonly type: 'ask'; readonly request: string }
  | { readonly type: 'punched'; readonly message: Punch }
  /** The socket is gone. */
  | { readonly type: 'lost' };

export type SessionInput = AgentMessage | SessionEvent;

type Message<T extends AgentMessage['type']> = Extract<AgentMessage, { type: T }>;
export type Hello = Message<'hello'>;
export type Proof = Message<'authenticate'>;
export type Report = Message<'applied' | 'failed' | 'heartbeat' | 'probed' | 'noticed' | 'find-path' | 'posture'>;

export type SessionEffect =
  | DeliveryStep
  /** After what was sent so far, nothing goes out or comes in but through this. */
  | { readonly kind: 'seal'; readonly channel: SealedChannel }
  /** Ask the directory; answer with `admitted` or `rejected`. */
  | { readonly kind: 'admit'; readonly hello: Hello; readonly proof: Proof }
  /** Of a live agent only. */
  | { readonly kind: 'report'; readonly message: Report }
  /** Close the connection, after what was sent. `phase` is the one in which it ended. */
  | {
      readonly kind: 'end';
      readonly code: RefusalCode | 'handshake-time' | 'evicted' | 'silent' | 'stalled' | 'lost';
      readonly phase: Phase;
    };
