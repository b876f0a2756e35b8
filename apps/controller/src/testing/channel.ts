import type { ProbeResult } from '@sallyport/contract/channel';
import type { Channel, GatewayPresence } from '../channel/types.ts';

/** Presence of a gateway whose agent never came. */
export const absent: GatewayPresence = {
  connected: false,
  alive: false,
  converged: false,
  lastSeen: null,
  error: null,
  applied: null,
  statistics: { connectedDevices: 0, bytesIn: 0, bytesOut: 0, lastHandshake: null },
  probes: new Map(),
  safeToStop: false,
};

export const present: GatewayPresence = { ...absent, connected: true, alive: true, converged: true };

/** A channel whose agents are what a test says they are. */
export class ScriptedChannel implements Channel {
  readonly presences = new Map<string, GatewayPresence>();
  readonly handshakes = new Map<string, number>();
  probes: readonly ProbeResult[] | null = null;

  presence(gateway: string): GatewayPresence {
    return this.presences.get(gateway) ?? absent;
  }

  deviceLastHandshake(device: string): number | null {
    return this.handshakes.get(device) ?? null;
  }

  async probe(): Promise<readonly ProbeResult[] | null> {
    return this.probes;
  }

  onPresence(): () => void {
    return () => undefined;
  }

  async stop(): Promise<void> {}
}
