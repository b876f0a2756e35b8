import type { ClientStatus, RouteStatus } from '@sallyport/contract/local';

/**
 * Returns whether the tunnel matches the controller's state, and an answering gateway carries every allowed
 * destination.
 */
export function isReady(status: ClientStatus): boolean {
  return status.current && status.error === null && uncarried(status).length === 0;
}

/** Returns routes that no gateway carries at present. */
export function uncarried({ routes, gateways }: ClientStatus): RouteStatus[] {
  const up = new Set(gateways.filter(({ path }) => path === 'direct' || path === 'relayed').map(({ id }) => id));
  return routes.filter(({ carrier }) => carrier === null || !up.has(carrier));
}
