import type { ClientStatus, RouteStatus } from '@sallyport/contract/local';

/** Whether the tunnel is as the controller wants it, and all that may be reached is carried by a gateway that answers. */
export function isReady(status: ClientStatus): boolean {
  return status.current && status.error === null && uncarried(status).length === 0;
}

/** Routes that lead nowhere at present. */
export function uncarried({ routes, gateways }: ClientStatus): RouteStatus[] {
  const up = new Set(gateways.filter(({ path }) => path === 'direct' || path === 'relayed').map(({ id }) => id));
  return routes.filter(({ carrier }) => carrier === null || !up.has(carrier));
}
