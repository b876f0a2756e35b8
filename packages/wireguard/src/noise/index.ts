export { addresseeTest, type Header, headerOf } from './handshake-header.ts';
export { type Answer, type Attempt, Initiator, type InitiatorOptions } from './initiator.ts';
export { Responder } from './responder.ts';
export type { Session } from './session.ts';
export { tai64n } from './tai64n.ts';
export type {
  Authenticated,
  Ignored,
  IgnoredReason,
  InitiatorIgnored,
  KnownPeer,
  OpenedInitiation,
  PendingInitiation,
  Reply,
  ResponderOptions,
} from './types.ts';
