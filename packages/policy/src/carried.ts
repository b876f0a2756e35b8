import type { WorldAddress, WorldResource } from './types.ts';

/** Returns a resource as some of its addresses have it: with the gateways that carry any of them. */
export function carriedPart(resource: WorldResource, addresses: readonly WorldAddress[]): WorldResource {
  if (addresses.some(({ gateways }) => gateways === undefined)) return resource;
  const carriers = new Set(addresses.flatMap(({ gateways = [] }) => gateways));
  const gateways = resource.gateways.filter((id) => carriers.has(id));
  return gateways.length === resource.gateways.length ? resource : { ...resource, gateways };
}
