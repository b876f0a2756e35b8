import { type AgentRole, channelProtocol, channelProtocols, type Refused } from '@sallyport/contract/channel';

/** Code of a refusal in the protocol. */
export type RefusalCode = Refused['code'];

/**
 * Refusals, as the agent gets them before its connection ends. Each sentence says what to do, and nothing about the
 * gateway or device that the other side does not need to know. `final`: a person must act first.
 */
export function refusal(code: RefusalCode, role: AgentRole): Refused {
  const [message, final] = refusals[code];
  return { type: 'refused', code, message: typeof message === 'string' ? message : message[role], final };
}

/** Returns the refusal of an agent whose protocol this controller does not speak. It names the side to upgrade. */
export function protocolRefusal(protocol: number): Refused {
  const oldest = Math.min(...channelProtocols);
  const speaks = `the agent speaks protocol ${protocol}, the controller ${oldest} to ${channelProtocol}`;
  const message =
    protocol > channelProtocol
      ? `This agent is newer than the controller (${speaks}): upgrade the controller first`
      : `This agent is too old for the controller (${speaks}): upgrade the agent`;
  return { type: 'refused', code: 'protocol', message, final: false };
}

type Sentence = string | Readonly<Record<AgentRole, string>>;

const refusals: Record<RefusalCode, readonly [message: Sentence, final: boolean]> = {
  protocol: ['This controller does not speak the protocol of this agent; upgrade the older of the two', false],
  'unknown-agent': [
    {
      gateway: 'This controller does not know this gateway; check the controller address and the token',
      device: 'This controller does not know this device; check the controller address and the enrolment key',
    },
    true,
  ],
  deleted: [{ gateway: 'This gateway was deleted', device: 'This device was removed' }, true],
  'bad-token': [
    {
      gateway: 'The token is not valid for this gateway; copy the present one from the controller',
      device: 'The enrolment key is not valid; check that all of it was copied',
    },
    true,
  ],
  'expired-token': ['The enrolment key has expired; ask for another one', true],
  'already-enrolled': [
    {
      gateway: 'Another host has used this token; re-key the gateway to enrol this one instead',
      device: 'Another host has used this enrolment key, which enrols one device once; ask for another key',
    },
    true,
  ],
  'key-taken': [
    'Another device or gateway has the WireGuard key of this host; every host needs a key of its own, so remove the copy',
    true,
  ],
  'device-limit': [
    'The owner of this enrolment key, or the whole organisation, has as many devices as allowed; remove one first',
    true,
  ],
  'bad-identity': [
    {
      gateway: 'The identity of this agent is not the one that enrolled; re-key the gateway to enrol it again',
      device: 'The identity of this client is not the one that enrolled; enrol this host as another device',
    },
    true,
  ],
  'bad-signature': ['The signature does not prove the identity of this agent', false],
  'bad-possession': ['The agent did not prove that it holds its WireGuard key', false],
  'bad-message': ['The agent sent a message that is not part of the protocol', false],
  'taken-over': ['Another connection with the identity of this agent took its place', true],
  busy: ['The controller cannot serve this agent now; try again later', false],
};
