import type { BatchWrite } from '@sallyport/contract';
import type { Command } from 'commander';
import { batchWrite, writeTogether } from '../batch.ts';
import type { Client } from '../client.ts';
import { usage } from '../failure.ts';
import { type Kind, kinds, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { given, repeated, writes } from './options.ts';

interface LabelFlags extends WriteFlags {
  readonly add?: string[];
  readonly remove?: string[];
}

/** How the labels of one kind of objects are written. */
interface Labelled {
  readonly kind: Kind;
  /** Argument of the command. */
  readonly objects: string;
  /** Returns the write that gives an object the labels that `change` returns. */
  write(api: Client, id: string, change: (labels: readonly string[]) => string[]): Promise<BatchWrite>;
}

const gateways: Labelled = {
  kind: kinds.gateway,
  objects: 'gateways',
  write: async (api, id, change) => {
    const { body, etag } = await api.call('getGateway', { params: { id } });
    const { name, wireguardPort, labels = [] } = body;
    return batchWrite(
      'updateGateway',
      { id },
      { body: { name, wireguardPort, labels: change(labels) }, ...match(etag) },
    );
  },
};

const devices: Labelled = {
  kind: kinds.device,
  objects: 'devices',
  write: async (api, id, change) => {
    const { body, etag } = await api.call('getDevice', { params: { id } });
    const { name, labels = [] } = body;
    return batchWrite('updateDevice', { id }, { body: { name, labels: change(labels) }, ...match(etag) });
  },
};

const resources: Labelled = {
  kind: kinds.resource,
  objects: 'resources',
  write: async (api, id, change) => {
    const { body, etag } = await api.call('getResource', { params: { id } });
    const { name, labels = [] } = body;
    const addresses = body.addresses.map(({ address, protocols }) => ({
      address,
      protocols: protocols.map((p) => p.id),
    }));
    return batchWrite('updateResource', { id }, { body: { name, addresses, labels: change(labels) }, ...match(etag) });
  },
};

/** Kinds of objects that have labels. */
export const labelled = { gateways, devices, resources };

/** Adds `label` to the commands of a kind of objects. */
export function addLabelCommand(group: Command, session: Session, { kind, objects, write }: Labelled): void {
  const command = group
    .command('label')
    .argument(`<${objects}...>`, 'names or ids')
    .description(`add and remove labels of one or more ${objects}; all of them change, or none`)
    .addOption(repeated('--add <label>', 'label such as eu or site=berlin'))
    .addOption(repeated('--remove <label>', 'label to take away'));
  writes(command, 'writeBatch').action(async (texts: string[], flags: LabelFlags) => {
    const { add = [], remove = [] } = flags;
    if (add.length + remove.length === 0) throw usage('No change is named', 'Give --add LABEL or --remove LABEL.');
    const api = await session.api();
    const change = (labels: readonly string[]) => changed(labels, add, remove);
    const all: BatchWrite[] = [];
    for (const id of new Set(await resolveIds(api, kind, texts))) all.push(await write(api, id, change));
    await writeTogether(session, flags, all, `Labelled ${all.length} ${all.length === 1 ? kind.word : objects}.`);
  });
}

function changed(labels: readonly string[], add: readonly string[], remove: readonly string[]): string[] {
  const gone = new Set(remove.map((label) => label.toLowerCase()));
  return [...new Set([...labels, ...add.map((label) => label.toLowerCase())])].filter((label) => !gone.has(label));
}

const match = (etag: string | undefined) => given({ ifMatch: etag });
