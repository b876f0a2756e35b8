import { localNetwork, otherNames, type Tenant } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { usage } from '../failure.ts';
import type { Session, WriteFlags } from '../session.ts';
import { moment } from '../text.ts';
import { addMail } from './mail.ts';
import { choice, count, given, writes } from './options.ts';
import { addSignInSettings } from './sign-in-settings.ts';

interface SettingsFlags {
  readonly name?: string;
  readonly timeZone?: string;
  readonly lease?: string;
  readonly drain?: string;
  readonly localNetwork?: Tenant['localNetwork'];
  readonly otherNames?: Tenant['otherNames'];
  readonly mtu?: string;
  readonly auditRetention?: string;
}

/** Adds `sally settings …`. */
export function addSettings(program: Command, session: Session): void {
  const group = program.command('settings').description('settings of this tenant');
  group
    .command('get')
    .description('show the settings')
    .action(async () => showSettings(session, await (await session.api()).call('getTenant')));
  const set = group
    .command('set')
    .description('change the given fields and keep the others')
    .option('--name <name>')
    .option('--time-zone <zone>', 'default time zone of admission rules, such as Europe/Zurich')
    .option('--lease <span>', 'how long gateways work without the controller: 3600s, 24h, 7d')
    .option('--drain <span>', 'how long flows continue through a gateway in MAINTENANCE: 300s, 1h')
    .addOption(
      choice('--local-network <what>', 'access to the local network while a full tunnel is up', localNetwork.options),
    )
    .addOption(
      choice('--other-names <what>', 'queries to gateways for names that are no resource’s', otherNames.options),
    )
    .option(
      '--mtu <bytes>',
      'largest packet in the tunnel, 576 to 9000 (no IPv6 below 1280); a gateway can override it',
    )
    .option('--audit-retention <days>', 'days that audit events are kept, or `forever`');
  writes(set, 'updateTenant').action(async (flags: SettingsFlags & WriteFlags) => setSettings(session, flags));
  addSignInSettings(group, session);
  addMail(group, session);
}

async function setSettings(session: Session, flags: SettingsFlags & WriteFlags): Promise<void> {
  const { name, timeZone, lease, drain, mtu, auditRetention } = flags;
  const changes = given({
    name,
    timeZone,
    leaseSeconds: seconds(lease),
    drainSeconds: seconds(drain),
    localNetwork: flags.localNetwork,
    otherNames: flags.otherNames,
    mtu: count('--mtu', mtu),
    auditRetentionDays: days(auditRetention),
  });
  if (Object.keys(changes).length === 0) throw usage('No change is named', 'See: sally settings set --help');
  const before = await (await session.api()).call('getTenant');
  const body = { name: before.body.name, ...changes };
  const answer = await session.write('updateTenant', flags, { body, ifMatch: before.etag });
  if (answer !== undefined) showSettings(session, answer);
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, amount, unit] = /^(0|[1-9][0-9]{0,8})(s|m|h|d)?$/.exec(text) ?? [];
  if (amount === undefined) throw usage(`Not a span: ${text}`, 'Give a span such as 3600s, 24h or 7d.');
  return Number(amount) * (unitSeconds[unit ?? 's'] ?? 1);
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

const days = (text: string | undefined): number | null | undefined =>
  text === 'forever' ? null : count('--audit-retention', text);

const localNetworkText = {
  CLOSED: 'closed: a device with a full tunnel reaches nothing on it',
  RESOLVERS: 'resolvers: a device with a full tunnel reaches only port 53 on it',
  OPEN: 'open: a device with a full tunnel reaches all of it, such as printers',
} as const;

const otherNamesText = {
  FORWARD: 'forward: gateways ask their own resolvers for devices',
  REFUSE: 'refuse: gateways answer for names of resources only',
} as const;

function showSettings(session: Session, answer: Answer<Tenant>): void {
  session.show(answer, (tenant, etag) =>
    session.details([
      ['Name', tenant.name],
      ['Id', tenant.id],
      ['Time zone', tenant.timeZone],
      ['Lease', `${tenant.leaseSeconds} s: gateways work this long without the controller`],
      ['Drain', `${tenant.drainSeconds} s: then flows through a gateway in MAINTENANCE end`],
      ['Local network', localNetworkText[tenant.localNetwork]],
      ['Other names', otherNamesText[tenant.otherNames]],
      ['MTU', `${tenant.mtu} bytes${tenant.mtu < 1280 ? ': tunnels carry no IPv6' : ''}`],
      ['Audit retention', tenant.auditRetentionDays === null ? 'forever' : `${tenant.auditRetentionDays} days`],
      ['Public URL', tenant.publicUrl ?? 'not set (SALLYPORT_PUBLIC_URL of the controller)'],
      ['Install from', tenant.installUrl ?? 'unavailable: the controller has no signed archives, or no HTTPS'],
      [
        'Countries',
        tenant.countries ? 'known' : 'unavailable: country conditions fail until the operator configures a database',
      ],
      ['Revision', String(tenant.revision)],
      ['Created at', moment(tenant.createdAt)],
      ['ETag', etag],
    ]),
  );
}
