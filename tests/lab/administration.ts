import type { RequestBody } from '@sallyport/contract';
import type { ControllerApi } from './controller-api.ts';

/** A resource to create. */
export interface ResourceWish {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Such as `TCP 80`, `UDP 5000-5100`, `ICMP`, `ALL`. */
  readonly ports: readonly string[];
  /** Ids; their order is the priority in mode MANUAL. */
  readonly gateways: readonly string[];
  readonly mode?: 'MANUAL' | 'AUTOMATIC';
}

/** Creates a private resource behind gateways. Returns its id. */
export async function makeResource(controller: ControllerApi, wish: ResourceWish): Promise<string> {
  const protocols = [await makeProtocol(controller, wish.ports)];
  const resource = await controller.call('createResource', {
    body: { name: wish.name, type: 'PRIVATE', addresses: wish.addresses.map((address) => ({ address, protocols })) },
  });
  await controller.call('saveLoadBalancing', {
    params: { id: resource.id },
    body: { loadBalancingMode: wish.mode ?? 'MANUAL', gateways: [...wish.gateways] },
  });
  return resource.id;
}

/** Creates a policy at the end of its list; lists that `body` omits select nothing. Returns its id. */
export async function makePolicy(
  controller: ControllerApi,
  name: string,
  body: Partial<RequestBody<'createPolicy'>>,
): Promise<string> {
  const flags = { allGroups: false, allUsers: false, allDevices: false, allResources: false };
  const policy = await controller.call('createPolicy', {
    body: { name, action: true, type: 'PRIVATE', ...flags, ...body },
  });
  return policy.id;
}

/** Returns the id of a protocol with these ports. */
async function makeProtocol(controller: ControllerApi, ports: readonly string[]): Promise<string> {
  if (ports.includes('ALL')) {
    const all = (await controller.call('listProtocols')).find(({ type }) => type === 'ALL');
    if (all === undefined) throw new Error('there is no protocol of type ALL');
    return all.id;
  }
  const networkProtocols = ports.map((text) => {
    const [protocol, port] = text.split(' ') as ['TCP' | 'UDP' | 'ICMP', string?];
    return port === undefined ? { protocol } : { protocol, port };
  });
  return (await controller.call('createProtocol', { body: { networkProtocols } })).id;
}
