import { hasMac1, macKeysOf } from './macs.ts';
import { decodeMessage } from './messages.ts';

/** Unencrypted header of a datagram: type and key indices (WireGuard paper, section 5.4). */
export type Header =
  | { readonly kind: 'initiation'; readonly sender: number }
  | { readonly kind: 'response'; readonly sender: number; readonly receiver: number }
  | { readonly kind: 'cookie'; readonly receiver: number }
  | { readonly kind: 'transport'; readonly receiver: number };

/** Reads the header. Returns null if the datagram is not a WireGuard message. */
export function headerOf(datagram: Uint8Array): Header | null {
  const message = decodeMessage(datagram);
  if (message === null) return null;
  switch (message.kind) {
    case 'initiation':
      return { kind: 'initiation', sender: message.senderIndex };
    case 'response':
      return { kind: 'response', sender: message.senderIndex, receiver: message.receiverIndex };
    default:
      return { kind: message.kind, receiver: message.receiverIndex };
  }
}

/** Returns whether an initiation or response is for the holder of this public key (base64), by its MAC1. */
export function addresseeTest(publicKey: string): (datagram: Uint8Array) => boolean {
  const keys = macKeysOf(Buffer.from(publicKey, 'base64'));
  return (datagram) => hasMac1(datagram, keys);
}
