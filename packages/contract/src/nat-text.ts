import type { Nat } from './local/nat.ts';

/** Describes the effect of a NAT on connections. The module imports nothing, so that short commands start fast. */
export function natText({ kind, endpoint }: Nat, connected: boolean): string {
  const seen = endpoint === null ? '' : `, seen as ${endpoint}`;
  switch (kind) {
    case 'none':
      return `no NAT${seen}`;
    case 'independent':
      return `endpoint-independent mapping${seen}: direct connections work`;
    case 'dependent':
      return 'endpoint-dependent mapping: direct connections need the other side open, else a relay carries them';
    case 'blocked':
      return "UDP blocked: the controller's beacon hears nothing from this host";
    case 'unknown':
      return connected ? 'not known yet' : 'unknown: not connected to the controller';
  }
}
