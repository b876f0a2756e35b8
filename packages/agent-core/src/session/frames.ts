import { type ControllerMessage, readControllerMessage, type SealedChannel } from '@sallyport/contract/channel';
import type { Frame, Phase } from './types.ts';

/**
 * Returns the message in a frame from the controller, or the reason why it has none. Before the channel exists, it accepts
 * only text. Afterwards it accepts only sealed frames that belong to the phase.
 */
export function readFrame(frame: Frame, channel: SealedChannel | null, phase: Phase): ControllerMessage | string {
  const text = plain(frame, channel);
  if (text === null) return 'a frame came that the controller did not send, or not in this place';
  const message = isTalking(phase) ? readControllerMessage(text, phase) : null;
  return message ?? 'the controller sent something that is not the protocol, or out of turn';
}

function isTalking(phase: Phase): phase is 'greeting' | 'authenticating' | 'live' {
  return phase === 'greeting' || phase === 'authenticating' || phase === 'live';
}

function plain(frame: Frame, channel: SealedChannel | null): string | null {
  if (channel === null) return typeof frame === 'string' ? frame : null;
  return typeof frame === 'string' ? null : channel.open(frame);
}
