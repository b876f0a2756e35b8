import type { RequestBody, ResponseBody } from '@sallyport/contract';
import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean } from '../text.ts';
import { repeated, writes } from './options.ts';

type Protocol = ResponseBody<'getProtocol'>;

interface ProtocolFlags {
  readonly tcp?: string[];
  readonly udp?: string[];
  readonly icmp?: boolean;
}

/** Adds `sally protocols …`. */
export function addProtocols(program: Command, session: Session): void {
  const group = program.command('protocols').alias('protocol').description('named sets of ports of resources');
  group
    .command('list')
    .description('list protocols')
    .action(async () => {
      const answer = await (await session.api()).call('listProtocols');
      session.show(answer, (protocols) => session.table(columns, protocols));
    });
  group
    .command('get')
    .argument('<protocol>', 'name or id')
    .description('show a protocol')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.protocol, text);
      session.show(await api.call('getProtocol', { params: { id } }), (body) => session.table(columns, [body]));
    });
  const create = group
    .command('create')
    .argument('[name]', 'default: derived from the ports')
    .description('create a protocol')
    .addOption(repeated('--tcp <port>', 'TCP port or range: 8080, 9000-9100'))
    .addOption(repeated('--udp <port>', 'UDP port or range'))
    .option('--icmp', 'ICMP and ICMPv6');
  writes(create, 'createProtocol').action(async (name: string | undefined, flags: ProtocolFlags & WriteFlags) => {
    const body = { ...(name === undefined ? {} : { name }), networkProtocols: networkProtocols(flags) };
    const answer = await session.write('createProtocol', flags, { body });
    if (answer !== undefined) session.show(answer, (protocol) => session.table(columns, [protocol]));
  });
  const remove = group.command('delete').argument('<protocol>', 'name or id').description('delete a protocol');
  writes(remove, 'deleteProtocol').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.protocol, text);
    const answer = await session.write('deleteProtocol', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted protocol ${clean(text)}.\n`);
  });
}

/** Returns the ports as text: `TCP 80, TCP 443`. */
export function portsOf(protocol: Pick<Protocol, 'networkProtocols'>): string {
  return protocol.networkProtocols
    .map((p) => (p.port === undefined ? p.protocol : `${p.protocol} ${p.port}`))
    .join(', ');
}

const columns: readonly Column<Protocol>[] = [
  { heading: 'NAME', cell: (p) => p.name },
  { heading: 'TYPE', cell: (p) => p.type },
  { heading: 'PORTS', cell: portsOf },
  { heading: 'ID', cell: (p) => p.id },
];

function networkProtocols({
  tcp = [],
  udp = [],
  icmp,
}: ProtocolFlags): RequestBody<'createProtocol'>['networkProtocols'] {
  const all: RequestBody<'createProtocol'>['networkProtocols'] = [
    ...tcp.map((port) => ({ protocol: 'TCP' as const, port })),
    ...udp.map((port) => ({ protocol: 'UDP' as const, port })),
    ...(icmp === true ? [{ protocol: 'ICMP' as const }] : []),
  ];
  if (all.length === 0) throw usage('A protocol needs a port', 'Give --tcp PORT, --udp PORT or --icmp.');
  return all;
}
