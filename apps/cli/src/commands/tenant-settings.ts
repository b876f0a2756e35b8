import { localNetwork, type Tenant } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { usage } from '../failure.ts';
import type { Session, WriteFlags } from '../session.ts';
import { moment } from '../text.ts';
import { choice, count, given, writes } from './options.ts';
import { addSignInSettings } from './sign-in-settings.ts';

interface SettingsFlags {
  readonly name?: string;
  readonly timeZone?: string;
  readonly lease?: string;
  readonly drain?: string;
  readonly localNetwork?: Tenant['localNetwork'];
  readonly mtu?: string;
  readonly auditRetention?: string;
}

/** `sally settings …` */
export function addSettings(program: Command, session: Session): void {
  const group = program.command('settings').description('settings of this tenant');
  group
    .command('get')
    .description('show the settings')
    .action(async () => showSettings(session, await (await session.api()).call('getTenant')));
  const set = group
    .command('set')
    .description('change what is named here and keep the rest')
    .option('--name <name>')
    .option('--time-zone <zone>', 'of admission rules that name none, such as Europe/Zurich')
    .option('--lease <span>', 'how long gateways go on without the controller: 3600s, 24h, 7d')
    .option('--drain <span>', 'how long flows may go on through a gateway in MAINTENANCE: 300s, 1h')
    .addOption(choice('--local-network <what>', 'what a full tunnel leaves of private networks', localNetwork.options))
    .option(
      '--mtu <bytes>',
      'of a packet in the tunnel, 576 to 9000 (below 1280 without IPv6); gateways may have their own',
    )
    .option('--audit-retention <days>', 'how many days audit events are kept, or `forever`');
  writes(set, 'updateTenant').action(async (flags: SettingsFlags & WriteFlags) => setSettings(session, flags));
  addSignInSettings(group, session);
}

async function setSettings(session: Session, flags: SettingsFlags & WriteFlags): Promise<void> {
  const { name, timeZone, lease, drain, mtu, auditRetention } = flags;
  const changes = given({
    name,
    timeZone,
    leaseSeconds: seconds(lease),
    drainSeconds: seconds(drain),
    localNetwork: flags.localNetwork,
    mtu: count('--mtu', mtu),
    auditRetentionDays: days(auditRetention),
  });
  if (Object.keys(changes).length === 0) throw usage('Nothing to change is named', 'See: sally settings set --help');
  const before = await (await session.api()).call('getTenant');
  const body = { name: before.body.name, ...changes };
  const answer = await session.write('updateTenant', flags, { body, ifMatch: before.etag });
  if (answer !== undefined) showSettings(session, answer);
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, amount, unit] = /^(0|[1-9][0-9]{0,8})(s|m|h|d)?$/.exec(text) ?? [];
  if (amount === undefined) throw usage(`Not a span: ${text}`, 'It looks like 3600s, 24h or 7d.');
  return Number(amount) * (unitSeconds[unit ?? 's'] ?? 1);
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

const days = (text: string | undefined): number | null | undefined =>
  text === 'forever' ? null : count('--audit-retention', text);

const localNetworkText = {
  CLOSED: 'closed: a full tunnel leaves nothing of it to a device',
  RESOLVERS: 'resolvers: a full tunnel leaves port 53 of it to a device',
  OPEN: 'open: a full tunnel leaves all of it to a device, such as printers',
} as const;

function showSettings(session: Session, answer: Answer<Tenant>): void {
  session.show(answer, (tenant, etag) =>
    session.details([
      ['Name', tenant.name],
      ['Id', tenant.id],
      ['Time zone', tenant.timeZone],
      ['Lease', `${tenant.leaseSeconds} s: gateways go on so long without the controller`],
      ['Drain', `${tenant.drainSeconds} s: then flows through a gateway in MAINTENANCE are cut`],
      ['Local network', localNetworkText[tenant.localNetwork]],
      ['MTU', `${tenant.mtu} bytes${tenant.mtu < 1280 ? ': tunnels carry no IPv6' : ''}`],
      ['Audit retention', tenant.auditRetentionDays === null ? 'forever' : `${tenant.auditRetentionDays} days`],
      ['Public URL', tenant.publicUrl ?? 'not set (SALLYPORT_PUBLIC_URL of the controller)'],
      ['Countries', tenant.countries ? 'known' : 'not known: country conditions fail (the operator gives a database)'],
      ['Revision', String(tenant.revision)],
      ['Created at', moment(tenant.createdAt)],
      ['ETag', etag],
    ]),
  );
}
