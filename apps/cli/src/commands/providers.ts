import type { ProviderCheck, ResponseBody } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer, Client } from '../client.ts';
import { exitCodes, Failure, usage } from '../failure.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';
import { clearable, count, given, onOff, repeated, writes } from './options.ts';
import { clientSecret, type SecretFlags } from './provider-secret.ts';

type Provider = ResponseBody<'getProvider'>;

interface ProviderFlags extends SecretFlags {
  readonly name?: string;
  readonly label?: string;
  readonly issuer?: string;
  readonly clientId?: string;
  readonly scope?: string[];
  readonly groupsClaim?: string;
  readonly map?: string[];
  readonly emailDomain?: string[];
  readonly hostedDomain?: string[];
  readonly entraTenant?: string[];
  readonly requiredGroup?: string;
  readonly provisioning?: boolean;
  readonly trustEmail?: boolean;
  readonly requireAuthTime?: boolean;
  readonly assuresSecondFactor?: boolean;
  readonly position?: string;
  readonly enabled?: boolean;
}

/** Adds `sally providers …`. */
export function addProviders(program: Command, session: Session): void {
  const group = program
    .command('providers')
    .alias('provider')
    .description('OpenID Connect providers that people sign in through');
  addReads(group, session);
  addWrites(group, session);
}

function addReads(group: Command, session: Session): void {
  group
    .command('list')
    .description('list providers')
    .action(async () => {
      const answer = await (await session.api()).call('listProviders');
      session.show(answer, (all) => session.table(columns, all));
    });
  group
    .command('get')
    .argument('<provider>', 'name or id')
    .description('show a provider, and the URIs to register there')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.provider, text);
      showProvider(session, await api.call('getProvider', { params: { id } }));
    });
  group
    .command('check')
    .argument('<provider>', 'name or id')
    .description('ask a provider for its metadata and keys, and try the client secret')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.provider, text);
      const answer = await api.call('checkProvider', { params: { id } });
      session.show(answer, (check) => checkText(text, check));
      if (!answer.body.ok) throw new Failure(exitCodes.failed, 'People cannot sign in through this provider');
    });
}

function addWrites(group: Command, session: Session): void {
  const create = group
    .command('create')
    .argument('<name>')
    .description('create a provider; the answer has the URIs to register there')
    .option('--issuer <url>', 'issuer, as the provider writes it (needed)')
    .option('--client-id <id>', 'id of Sallyport at the provider (needed)');
  writes(fields(create), 'createProvider').action(async (name: string, flags: ProviderFlags & WriteFlags) => {
    const { issuer, clientId } = flags;
    if (issuer === undefined || clientId === undefined)
      throw usage('--issuer and --client-id are needed', 'See: sally providers create --help');
    const api = await session.api();
    const body = {
      ...(await namedFields(api, flags)),
      ...given({ clientSecret: await clientSecret(session, flags, true) }),
      ...{ name, issuer, clientId },
    };
    const answer = await session.write('createProvider', flags, { body });
    if (answer !== undefined) showProvider(session, answer);
  });
  const update = group
    .command('update')
    .argument('<provider>', 'name or id')
    .description('change the given fields and keep the others; empty text clears a field')
    .option('--name <name>')
    .option('--issuer <url>')
    .option('--client-id <id>');
  writes(fields(update), 'updateProvider').action(async (text: string, flags: ProviderFlags & WriteFlags) => {
    const api = await session.api();
    const secret = given({ clientSecret: await clientSecret(session, flags, false) });
    const body = { ...(await namedFields(api, flags)), ...secret };
    if (Object.keys(body).length === 0) throw usage('No change is named', 'See: sally providers update --help');
    const id = await resolveId(api, kinds.provider, text);
    const answer = await session.write('updateProvider', flags, { params: { id }, body });
    if (answer !== undefined) showProvider(session, answer);
  });
  const remove = group
    .command('delete')
    .alias('remove')
    .argument('<provider>', 'name or id')
    .description('delete a provider with the links, sessions and memberships that come from it; try --dry-run first');
  writes(remove, 'deleteProvider').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.provider, text);
    const answer = await session.write('deleteProvider', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted provider ${clean(text)}.\n`);
  });
}

function fields(command: Command): Command {
  return command
    .option('--secret-file <file>', 'file with the client secret; - reads standard input')
    .option('--no-secret', 'the client has no secret')
    .option('--label <text>', 'text of the button on the sign-in page')
    .addOption(repeated('--scope <scope>', 'replace the scopes to ask for'))
    .option('--groups-claim <claim>', 'claim that carries the groups of a person')
    .addOption(
      repeated('--map <value=group>', 'replace the mapping: people with this value join the group; empty: none'),
    )
    .addOption(
      repeated('--email-domain <domain>', 'replace the domains of verified addresses that may sign in; empty: any'),
    )
    .addOption(
      repeated('--hosted-domain <domain>', 'replace the Google organisations (hd) that may sign in; empty: any'),
    )
    .addOption(repeated('--entra-tenant <id>', 'replace the Entra ID tenants (tid) that may sign in; empty: any'))
    .option('--required-group <value>', 'only people with this value in the groups claim sign in')
    .addOption(onOff('--provisioning <on|off>', 'create an account at the first sign-in'))
    .addOption(onOff('--trust-email <on|off>', 'take addresses as verified although the provider does not say so'))
    .addOption(onOff('--require-auth-time <on|off>', 'a sign-in is fresh only if the provider says when it was'))
    .addOption(onOff('--assures-second-factor <on|off>', 'the provider asks everybody for a second factor'))
    .option('--position <n>', 'order of the buttons, lowest first')
    .addOption(onOff('--enabled <on|off>', 'whether people can sign in; off ends the sessions from it'));
}

async function namedFields(api: Client, flags: ProviderFlags) {
  return given({
    name: flags.name,
    issuer: flags.issuer,
    clientId: flags.clientId,
    label: clearable(flags.label),
    scopes: flags.scope?.filter(Boolean),
    groupsClaim: clearable(flags.groupsClaim),
    groupMapping: flags.map === undefined ? undefined : await mappingOf(api, flags.map.filter(Boolean)),
    emailDomains: flags.emailDomain?.filter(Boolean),
    hostedDomains: flags.hostedDomain?.filter(Boolean),
    entraTenants: flags.entraTenant?.filter(Boolean),
    requiredGroup: clearable(flags.requiredGroup),
    provisioning: flags.provisioning,
    trustEmail: flags.trustEmail,
    requireAuthTime: flags.requireAuthTime,
    assuresSecondFactor: flags.assuresSecondFactor,
    position: count('--position', flags.position),
    enabled: flags.enabled,
  });
}

/** Values may hold `=`, names of groups rarely do: the last one separates them. */
async function mappingOf(api: Client, texts: readonly string[]) {
  const mapping: { value: string; group: string }[] = [];
  for (const text of texts) {
    const [, value, group] = /^(.+)=([^=]+)$/s.exec(text) ?? [];
    if (value === undefined || group === undefined)
      throw usage(`--map takes VALUE=GROUP, not ${JSON.stringify(text)}`, 'VALUE is a value of the groups claim.');
    mapping.push({ value, group: await resolveId(api, kinds.group, group) });
  }
  return mapping;
}

function showProvider(session: Session, answer: Answer<Provider>): void {
  session.show(answer, (p, etag) =>
    session.details([
      ['Name', p.name],
      ['Id', p.id],
      ['Enabled', p.enabled ? 'yes' : 'no'],
      ['Button', p.label ?? p.name],
      ['Issuer', p.issuer],
      ['Client id', p.clientId],
      ['Client secret', p.hasClientSecret ? 'set' : 'none'],
      ['Redirect URI', p.redirectUri ?? 'none: people cannot sign in at this address'],
      ['Logout URI', p.logoutUri],
      ['Scopes', p.scopes.join(' ')],
      ['Groups claim', p.groupsClaim],
      ['Mapping', p.groupMapping.map(({ value, group }) => `${value} → ${group.name}`).join(', ') || undefined],
      ['E-mail domains', p.emailDomains.join(', ') || undefined],
      ['Hosted domains', p.hostedDomains.join(', ') || undefined],
      ['Entra tenants', p.entraTenants.join(', ') || undefined],
      ['Required group', p.requiredGroup],
      ['New accounts', p.provisioning ? 'created at the first sign-in' : 'not created'],
      ['Addresses', p.trustEmail ? 'taken as verified' : 'verified if the provider says so'],
      ['Fresh sign-in', p.requireAuthTime ? 'needs auth_time' : 'every return'],
      ['Second factor', p.assuresSecondFactor ? 'assured by the provider' : 'if the provider says so (amr)'],
      ['Position', String(p.position)],
      ['Updated at', moment(p.updatedAt)],
      ['ETag', etag],
    ]),
  );
}

function checkText(name: string, { ok, findings }: ProviderCheck): string {
  const lines = findings.map(
    ({ severity, message }) => `${severity === 'error' ? 'error:  ' : 'warning:'} ${clean(message)}`,
  );
  const last = ok ? `People can sign in through ${clean(name)}.` : '';
  return `${[...lines, ...(last === '' ? [] : [last])].join('\n')}\n`;
}

const columns: readonly Column<Provider>[] = [
  { heading: 'NAME', cell: (p) => p.name },
  { heading: 'ENABLED', cell: (p) => (p.enabled ? 'yes' : 'no') },
  { heading: 'ISSUER', cell: (p) => p.issuer },
  { heading: 'NEW ACCOUNTS', cell: (p) => (p.provisioning ? 'yes' : 'no') },
  { heading: 'ID', cell: (p) => p.id },
];
