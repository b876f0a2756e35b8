import { formatNetwork, parsePrefix } from '../ip.ts';
import type { HostState } from '../types.ts';
import type { FoundHost } from './found.ts';
import { overlap } from './overlap.ts';

/** Overlay prefixes that go into the tunnel. */
export function overlayRoutes({ overlay, members }: Pick<HostState, 'overlay' | 'members'>): string[] {
  return [...new Set((members ?? [overlay.v4, overlay.v6]).map((text) => formatNetwork(parsePrefix(text))))];
}

/** The conflicts between the host's own network and the overlay in use, one sentence each. */
export interface Clashes {
  /**
   * Conflicts with which the tunnel cannot be up: the host would lose its own network, or answers to devices would
   * leave on it. A wide foreign route is no conflict unless the host is connected to all of it. The overlay prefixes
   * in use are more specific.
   */
  readonly closing: readonly string[];
  /** Conflicts about single addresses; the tunnel works without them. */
  readonly single: readonly string[];
}

/** Compares the overlay with the networks and resolvers of this host. */
export function clashesOf(
  state: Pick<HostState, 'overlay' | 'members'>,
  found: Pick<FoundHost, 'around' | 'resolvers'>,
): Clashes {
  const closing = new Set<string>();
  const single = new Set<string>();
  for (const prefix of overlayRoutes(state)) {
    for (const { destination, device, connected } of found.around ?? []) {
      const how = overlap(prefix, destination);
      if (how === 'apart' || (how === 'under' && !connected)) continue;
      if (how === 'over' && /\/(32|128)$/.test(destination))
        single.add(`${destination} of ${prefix} does not go into the tunnel: the host has it on ${device}`);
      else {
        const what = connected ? 'the network' : 'the route';
        closing.add(`${what} ${destination} on ${device} has addresses of the overlay (${prefix})`);
      }
    }
    for (const resolver of found.resolvers ?? [])
      if (overlap(prefix, `${resolver}/${resolver.includes(':') ? 128 : 32}`) !== 'apart')
        closing.add(`the resolver ${resolver} lies in the overlay (${prefix})`);
  }
  return { closing: [...closing], single: [...single] };
}

/** Advice for an operator. */
export const CLASH_HINT =
  'Give that network other addresses, or set SALLYPORT_OVERLAY of the controller to a network that is free everywhere (docs/settings.md). The tunnel comes up by itself once the addresses are free.';
