import { ControllerMessage, type SealedChannel } from '@sallyport/contract/channel';
import type { Frame } from './types.ts';

/**
 * What a frame from the controller says, or in words why it says nothing. Before there is a channel only text is taken,
 * afterwards only what the controller sealed.
 */
export function readFrame(frame: Frame, channel: SealedChannel | null): ControllerMessage | string {
  const text = plain(frame, channel);
  if (text === null) return 'a frame came that the controller did not send, or not in this place';
  try {
    return ControllerMessage.parse(JSON.parse(text));
  } catch {
    return 'the controller sent something that is not the protocol';
  }
}

function plain(frame: Frame, channel: SealedChannel | null): string | null {
  if (channel === null) return typeof frame === 'string' ? frame : null;
  return typeof frame === 'string' ? null : channel.open(frame);
}
