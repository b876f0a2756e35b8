import type { ControllerMessage } from '@sallyport/contract/channel';
import type { Effect } from './types.ts';

/** Returns the effect of a message that the session only passes on. */
export function passedOn(
  message: Extract<ControllerMessage, { type: 'probe' | 'punch' | 'mapping' | 'named' }>,
): Effect {
  switch (message.type) {
    case 'probe':
      return { kind: 'probe', request: message.request };
    case 'punch':
      return { kind: 'punch', peer: message.peer, endpoints: message.endpoints };
    case 'mapping':
      return { kind: 'mapping', mapping: message.mapping };
    case 'named':
      return { kind: 'named', name: message.name, outcome: message.outcome };
  }
}
