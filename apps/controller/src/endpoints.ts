import { parseEndpoint } from '@sallyport/contract';
import { checkHostEndpoint, WireGuardError } from '@sallyport/wireguard';

/** `host:port` as WireGuard takes it, or null when it takes none of the kind. */
export function endpointWithPort(given: string, defaultPort: number): string | null {
  const parsed = parseEndpoint(given);
  if (parsed === null) return null;
  const host = parsed.host.includes(':') ? `[${parsed.host}]` : parsed.host;
  try {
    return checkHostEndpoint(`${host}:${parsed.port ?? defaultPort}`);
  } catch (error) {
    if (error instanceof WireGuardError) return null;
    throw error;
  }
}

/** Where a gateway can be reached, best first: what an administrator has given, then what was discovered. */
export function gatewayEndpoints(row: {
  readonly wireguard_port: number;
  readonly endpoint: string | null;
  readonly discovered_endpoint: string | null;
}): string[] {
  const known = [row.endpoint, row.discovered_endpoint].filter((text) => text !== null);
  const usable = known.map((text) => endpointWithPort(text, row.wireguard_port)).filter((text) => text !== null);
  return [...new Set(usable)];
}
