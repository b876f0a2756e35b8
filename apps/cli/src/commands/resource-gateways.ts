import { loadBalancingMode } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { choice, writes } from './options.ts';
import { type Resource, showResource } from './resource-view.ts';

type Mode = Resource['loadBalancingMode'];
type Flags = WriteFlags & { readonly mode?: Mode };

/** Adds `sally resources attach`, `order` and `detach`. */
export function addAttachments(group: Command, session: Session): void {
  const mode = () => choice('--mode <mode>', 'how its gateways are chosen', loadBalancingMode.options);
  const attach = group
    .command('attach')
    .argument('<resource>', 'name or id')
    .argument('<gateways...>', 'names or ids')
    .description('attach gateways after those already attached')
    .addOption(mode());
  writes(attach, 'saveLoadBalancing').action(async (text: string, gateways: string[], flags: Flags) => {
    const { before, named } = await readBoth(session, text, gateways);
    await save(session, flags, before, [...new Set([...before.body.gateways.map(({ id }) => id), ...named])]);
  });

  const order = group
    .command('order')
    .argument('<resource>', 'name or id')
    .argument('<gateways...>', 'all attached gateways, in order of preference')
    .description('put the gateways of a resource in order')
    .addOption(mode());
  writes(order, 'saveLoadBalancing').action(async (text: string, gateways: string[], flags: Flags) => {
    const { before, named } = await readBoth(session, text, gateways);
    checkComplete(before.body, named);
    await save(session, flags, before, named);
  });

  const detach = group
    .command('detach')
    .argument('<resource>', 'name or id')
    .argument('<gateway>', 'name or id')
    .description('detach a gateway; access through it ends');
  writes(detach, 'detachGateway').action(async (text: string, gateway: string, flags: WriteFlags) => {
    const api = await session.api();
    const id = await resolveId(api, kinds.resource, text);
    const gatewayId = await resolveId(api, kinds.gateway, gateway);
    const answer = await session.write('detachGateway', flags, { params: { id, gatewayId } });
    if (answer !== undefined) session.show(answer, () => `Detached gateway ${clean(gateway)} from ${clean(text)}.\n`);
  });
}

/** Sets the complete list of gateways of a resource. */
export function saveGateways(
  session: Session,
  flags: WriteFlags,
  id: string,
  mode: Mode,
  gateways: string[],
  etag: string | undefined,
): Promise<Answer<Resource> | undefined> {
  const body = { loadBalancingMode: mode, gateways };
  return session.write('saveLoadBalancing', flags, { params: { id }, body, ifMatch: etag });
}

async function readBoth(session: Session, text: string, gateways: readonly string[]) {
  const api = await session.api();
  const id = await resolveId(api, kinds.resource, text);
  const named = await resolveIds(api, kinds.gateway, gateways);
  return { before: await api.call('getResource', { params: { id } }), named };
}

async function save(session: Session, flags: Flags, before: Answer<Resource>, gateways: string[]): Promise<void> {
  const { id, loadBalancingMode: present } = before.body;
  const answer = await saveGateways(session, flags, id, flags.mode ?? present, gateways, before.etag);
  if (answer !== undefined) showResource(session, answer);
}

function checkComplete(resource: Resource, named: readonly string[]): void {
  const attached = new Set(resource.gateways.map(({ id }) => id));
  const missing = resource.gateways.filter(({ id }) => !named.includes(id)).map(({ name }) => clean(name));
  if (missing.length > 0)
    throw usage(`The order misses ${missing.join(', ')}`, 'To remove a gateway: sally resources detach');
  if (named.length !== attached.size || named.some((id) => !attached.has(id)))
    throw usage(
      'The order names a gateway twice, or one that is not attached',
      'To add a gateway: sally resources attach',
    );
}
