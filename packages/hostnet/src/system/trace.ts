import { type TracedDrop, TraceReader } from '../firewall/trace.ts';
import { Follower } from './follow.ts';

/**
 * Follows probes through the rules of this host. `send` sends a probe, and runs until a foreign rule is seen to drop
 * one. Returns null when none was seen in time. The kernel must already trace probes.
 */
export async function followProbes(
  interfaceName: string,
  send: () => void,
  timeoutMs: number,
): Promise<TracedDrop | null> {
  const reader = new TraceReader(interfaceName);
  const { promise, resolve } = Promise.withResolvers<TracedDrop | null>();
  const follower = new Follower({
    tool: 'nft',
    args: ['monitor', 'trace'],
    line: (text) => {
      const drop = reader.line(text);
      if (drop?.of === 'probe') resolve(drop);
      // Answers to earlier probes may still arrive, from a time when other probes passed.
      else if (drop !== null) patience ??= setTimeout(() => resolve(drop), PATIENCE_MS);
    },
    restarted: () => {},
    failed: () => {},
  });
  let patience: NodeJS.Timeout | null = null;
  const again = setInterval(send, AGAIN_MS);
  const timeout = setTimeout(() => resolve(null), timeoutMs);
  try {
    return await promise;
  } finally {
    clearInterval(again);
    clearTimeout(timeout);
    if (patience !== null) clearTimeout(patience);
    await follower.close();
  }
}

/** The first probes may be sent before nft listens. */
const AGAIN_MS = 100;
/** At least some probes are sent within this time. */
const PATIENCE_MS = 500;
