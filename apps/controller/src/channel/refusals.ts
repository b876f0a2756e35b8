import type { Refused } from '@sallyport/contract/channel';

export type RefusalCode = Refused['code'];

/**
 * What an agent is told when its connection ends. The sentences say what to do and nothing about the gateway that the
 * other side need not know. `final`: a person must act first.
 */
export function refusal(code: RefusalCode): Refused {
  const [message, final] = refusals[code];
  return { type: 'refused', code, message, final };
}

const refusals: Record<RefusalCode, readonly [message: string, final: boolean]> = {
  protocol: ['This controller does not speak the protocol of this agent; update the older of the two', false],
  'unknown-agent': ['This controller does not know this gateway; check the controller address and the token', true],
  deleted: ['This gateway was deleted', true],
  'bad-token': ['The token is not valid for this gateway; copy the present one from the controller', true],
  'already-enrolled': ['Another host has used this token; re-key the gateway to enrol this one instead', true],
  'key-taken': [
    'A device of the tenant has the WireGuard key of this host; every host needs a key of its own, so remove the copy',
    true,
  ],
  'bad-identity': [
    'The identity of this agent is not the one that enrolled; re-key the gateway to enrol it anew',
    true,
  ],
  'bad-signature': ['The signature does not prove the identity of this agent', false],
  'bad-message': ['The agent sent a message that is not part of the protocol', false],
  'taken-over': ['Another connection with the identity of this agent took its place', true],
  busy: ['The controller cannot serve this agent now; try again later', false],
};
