export { Responder } from './responder.ts';
export type {
  Authenticated,
  Ignored,
  IgnoredReason,
  KnownPeer,
  OpenedInitiation,
  PendingInitiation,
  Reply,
  ResponderOptions,
} from './types.ts';
