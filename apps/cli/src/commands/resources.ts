import { accessType, loadBalancingMode } from '@sallyport/contract';
import type { Command } from 'commander';
import { Failure, usage } from '../failure.ts';
import { listAll, type PageFlags } from '../lists.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { addLabelCommand, labelled } from './labels.ts';
import { choice, clearable, given, labelOption, labelsOf, pages, repeated, writes } from './options.ts';
import {
  type AddressInput,
  type AddressSpec,
  addressInputs,
  changedAddresses,
  parseAddressSpecs,
} from './resource-addresses.ts';
import { addAttachments, saveGateways } from './resource-gateways.ts';
import { type Resource, resourceColumns, showResource } from './resource-view.ts';

type Mode = Resource['loadBalancingMode'];

interface ResourceFlags {
  readonly name?: string;
  readonly type?: Resource['type'];
  readonly description?: string;
  readonly address?: string[];
  readonly protocol?: string[];
  readonly addAddress?: string[];
  readonly removeAddress?: string[];
  readonly gateway?: string[];
  readonly mode?: Mode;
  readonly label?: string[];
}

const EXAMPLES = `
An address can have its own protocols: ADDRESS=PROTOCOL,PROTOCOL. Other addresses take those of --protocol.

Examples:
  sally resources create intranet --address 10.0.0.5 --protocol HTTPS --gateway berlin
  sally resources create lab --address 10.1.0.0/24=SSH,HTTPS --address fd00:1::/64=SSH`;

/** Adds `sally resources …`. */
export function addResources(program: Command, session: Session): void {
  const group = program
    .command('resources')
    .alias('resource')
    .description('destinations that devices reach through gateways');
  addReads(group, session);
  addCreate(group, session);
  addUpdate(group, session);
  addAttachments(group, session);
  addLabelCommand(group, session, labelled.resources);
}

function addReads(group: Command, session: Session): void {
  pages(group.command('list').description('list resources')).action(async (flags: PageFlags) => {
    const answer = await listAll(await session.api(), 'listResources', flags);
    session.show(answer, ({ data }) =>
      data.length === 0
        ? 'There are no resources. Create one: sally resources create --help\n'
        : session.table(resourceColumns, data),
    );
  });
  group
    .command('get')
    .argument('<resource>', 'name or id')
    .description('show a resource')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.resource, text);
      showResource(session, await api.call('getResource', { params: { id } }));
    });
  const remove = group.command('delete').argument('<resource>', 'name or id').description('delete a resource');
  writes(remove, 'deleteResource').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.resource, text);
    const answer = await session.write('deleteResource', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted resource ${clean(text)}.\n`);
  });
}

function addCreate(group: Command, session: Session): void {
  const create = group
    .command('create')
    .argument('<name>')
    .description('create a resource, and attach gateways to it')
    .addOption(repeated('--address <address>', 'IPv4, IPv6 or CIDR'))
    .addOption(repeated('--protocol <protocol>', 'protocol of every address without its own, by name or id'))
    .addOption(choice('--type <type>', 'access type', accessType.options).default('PRIVATE'))
    .option('--description <text>')
    .addOption(repeated('--gateway <gateway>', 'attach this gateway; the first has preference'))
    .addOption(choice('--mode <mode>', 'how its gateways are chosen', loadBalancingMode.options))
    .addOption(labelOption())
    .addHelpText('after', EXAMPLES);
  writes(create, 'createResource').action(async (name: string, flags: ResourceFlags & WriteFlags) =>
    createResource(session, name, flags),
  );
}

async function createResource(session: Session, name: string, flags: ResourceFlags & WriteFlags): Promise<void> {
  const api = await session.api();
  const addresses = await addressInputs(api, specsOf(flags.address, flags.protocol));
  if (addresses.length === 0) throw usage('A resource needs an address', 'Give --address ADDRESS --protocol PROTOCOL.');
  const gateways = await resolveIds(api, kinds.gateway, flags.gateway ?? []);
  const body = {
    name,
    type: flags.type ?? 'PRIVATE',
    addresses,
    ...given({ description: flags.description, labels: labelsOf(flags.label) }),
  };
  const created = await session.write('createResource', flags, { body });
  if (created === undefined) return;
  if (gateways.length === 0 && flags.mode === undefined) return showResource(session, created);
  const { id } = created.body;
  const mode = flags.mode ?? created.body.loadBalancingMode;
  showResource(session, await attachNew(() => saveGateways(session, {}, id, mode, gateways, created.etag), id));
}

/** Fails with the way to continue: the resource was created, but attaching its gateways failed. */
async function attachNew<T>(attach: () => Promise<T | undefined>, id: string): Promise<T> {
  try {
    const answer = await attach();
    if (answer === undefined) throw new TypeError('attaching gateways does not support a dry run');
    return answer;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      error.exitCode,
      `The resource was created with the id ${id}, but attaching its gateways failed: ${error.message}`,
      {
        hint: `Continue with: sally resources attach ${id} GATEWAY`,
      },
    );
  }
}

function addUpdate(group: Command, session: Session): void {
  const update = group
    .command('update')
    .argument('<resource>', 'name or id')
    .description('change the given fields and keep the others; empty text clears a field')
    .option('--name <name>')
    .option('--description <text>')
    .addOption(repeated('--address <address>', 'replace all its addresses'))
    .addOption(repeated('--add-address <address>', 'add an address, or change the protocols of one'))
    .addOption(repeated('--remove-address <address>', 'remove one'))
    .addOption(repeated('--protocol <protocol>', 'protocol of every given address without its own, by name or id'))
    .addOption(labelOption())
    .addHelpText('after', EXAMPLES);
  writes(update, 'updateResource').action(async (text: string, flags: ResourceFlags & WriteFlags) => {
    const { name, description, address, addAddress, removeAddress, label } = flags;
    if ([name, description, address, addAddress, removeAddress, label].every((value) => value === undefined))
      throw usage('No change is named', 'See: sally resources update --help');
    const api = await session.api();
    const id = await resolveId(api, kinds.resource, text);
    const before = await api.call('getResource', { params: { id } });
    const addresses = await newAddresses(session, before.body, flags);
    const changes = given({ description: clearable(description), labels: labelsOf(label) });
    const body = { name: name ?? before.body.name, addresses, ...changes };
    const answer = await session.write('updateResource', flags, { params: { id }, body, ifMatch: before.etag });
    if (answer !== undefined) showResource(session, answer);
  });
}

async function newAddresses(session: Session, before: Resource, flags: ResourceFlags): Promise<AddressInput[]> {
  const api = await session.api();
  const kept = before.addresses.map(({ address, protocols }) => ({ address, protocols: protocols.map((p) => p.id) }));
  const start = flags.address === undefined ? kept : await addressInputs(api, specsOf(flags.address, flags.protocol));
  const added = await addressInputs(api, specsOf(flags.addAddress, flags.protocol));
  return changedAddresses(start, added, flags.removeAddress ?? []);
}

const specsOf = (texts: string[] | undefined, protocols: string[] | undefined): AddressSpec[] =>
  parseAddressSpecs(texts ?? [], protocols ?? []);
