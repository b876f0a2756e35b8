import type { ResponseBody } from '@sallyport/contract';
import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean } from '../text.ts';
import { gatewayColumns } from './gateway-view.ts';
import { repeated, writes } from './options.ts';

type Address = ResponseBody<'getAddress'>;

/** Adds `sally addresses …`. */
export function addAddresses(program: Command, session: Session): void {
  const group = program.command('addresses').alias('address').description('addresses of resources');
  group
    .command('list')
    .description('list the addresses of all resources')
    .action(async () => {
      const answer = await (await session.api()).call('listAddresses');
      session.show(answer, (addresses) =>
        addresses.length === 0
          ? 'There are no addresses yet. Create a resource with an address: sally resources create --help\n'
          : session.table(addressColumns, addresses),
      );
    });
  group
    .command('get')
    .argument('<address>', 'address or id')
    .description('show an address')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.address, text);
      const answer = await api.call('getAddress', { params: { id } });
      session.show(answer, (address, etag) => session.table(addressColumns, [address]) + etagLine(session, etag));
    });
  group
    .command('gateways')
    .argument('<address>', 'address or id')
    .description('list the gateways that carry an address')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.address, text);
      const answer = await api.call('listAddressGateways', { params: { id } });
      session.show(answer, (gateways) =>
        gateways.length === 0
          ? 'No gateway carries this address. Attach one: sally resources attach RESOURCE GATEWAY\n'
          : session.table(gatewayColumns, gateways),
      );
    });
  addWrites(group, session);
}

/** Columns of the table of addresses. */
export const addressColumns: readonly Column<Address>[] = [
  { heading: 'ADDRESS', cell: (a) => (a.unicode === undefined ? a.address : `${a.unicode} (${a.address})`) },
  { heading: 'PROTOCOLS', cell: (a) => a.protocols.map(({ name }) => name).join(', ') },
  { heading: 'TYPE', cell: (a) => a.type },
  {
    heading: 'ENFORCED',
    cell: (a) => (a.isIp || a.type === 'PRIVATE' ? 'yes' : 'no: gateways resolve names of type PRIVATE'),
  },
  { heading: 'ID', cell: (a) => a.id },
];

/** Returns the entity tag as a line below a table. */
function etagLine(session: Session, etag: string | undefined): string {
  return etag === undefined ? '' : `\n${session.details([['ETag', etag]])}`;
}

function addWrites(group: Command, session: Session): void {
  const update = group
    .command('update')
    .argument('<address>', 'address or id')
    .description('change an address or its protocols and keep the rest')
    .option('--address <address>', 'IPv4, IPv6 or CIDR')
    .addOption(repeated('--protocol <protocol>', 'replace all its protocols, by name or id'));
  writes(update, 'updateAddress').action(
    async (text: string, flags: WriteFlags & { address?: string; protocol?: string[] }) => {
      if (flags.address === undefined && flags.protocol === undefined)
        throw usage('No change is named', 'Give --address or --protocol.');
      const api = await session.api();
      const id = await resolveId(api, kinds.address, text);
      const before = await api.call('getAddress', { params: { id } });
      const protocols =
        flags.protocol === undefined
          ? before.body.protocols.map((protocol) => protocol.id)
          : await resolveIds(api, kinds.protocol, flags.protocol);
      const body = { address: flags.address ?? before.body.address, protocols };
      const answer = await session.write('updateAddress', flags, { params: { id }, body, ifMatch: before.etag });
      if (answer !== undefined) session.show(answer, (address) => session.table(addressColumns, [address]));
    },
  );
  const remove = group
    .command('delete')
    .argument('<address>', 'address or id')
    .description('delete an address from its resource');
  writes(remove, 'deleteAddress').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.address, text);
    const answer = await session.write('deleteAddress', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted address ${clean(text)}.\n`);
  });
}
