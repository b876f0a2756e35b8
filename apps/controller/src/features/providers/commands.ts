import { randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { bit, encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { findGroups } from '../../objects/groups/queries.ts';
import { sharedIssuer } from '../../objects/providers/admission.ts';
import { endGrantsOf } from '../../objects/providers/grants.ts';
import { endMemberships } from '../../objects/providers/memberships.ts';
import {
  defaultSettings,
  deleteProvider,
  encodeSettings,
  findProvider,
  type GroupMapping,
  insertProvider,
  listProviders,
  type ProviderRow,
  type ProviderSettings,
  replaceMapping,
  secretPurpose,
  settingsOf,
  updateProvider,
} from '../../objects/providers/queries.ts';
import { auditedProvider } from '../../objects/providers/views.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { requireOwnersWayIn } from './owners.ts';

/** Providers that a tenant may have. Each is a button on the sign-in page. */
const most = 20;

type Body = Input<'createProvider'>['body'] | Input<'updateProvider'>['body'];

/** Creates a provider and returns its id. */
export async function createProvider(
  tx: Tx,
  box: Pick<SecretBox, 'seal'>,
  body: Input<'createProvider'>['body'],
): Promise<string> {
  const others = await listProviders(tx.scoped);
  if (others.length >= most) throw new ApiError('quota_exceeded', `The tenant may have ${most} sign-in providers`);
  const id = randomUUIDv7();
  const settings = settingsFrom(defaultSettings, body);
  check(others, { id, name: body.name, issuer: body.issuer }, settings);
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name: body.name,
    issuer: body.issuer,
    client_id: body.clientId,
    client_secret: body.clientSecret == null ? null : box.seal(body.clientSecret, secretPurpose(id)),
    position: body.position ?? 0,
    enabled: bit(body.enabled ?? true),
    settings: encodeSettings(settings),
  };
  await insertProvider(tx, row);
  await replaceMapping(tx, id, await checkedMapping(tx, body.groupMapping ?? []));
  const after = await auditedProvider(tx.scoped, { ...row, tenant_id: tx.tenant });
  tx.changed({ kind: 'provider', id, op: 'create', name: body.name, before: null, after, auditOnly: true });
  return id;
}

/** Changes a provider. What it no longer allows ends at once: sessions when it is disabled, memberships of removed groups. */
export async function changeProvider(
  tx: Tx,
  box: Pick<SecretBox, 'seal'>,
  context: RequestContext,
  id: string,
  body: Input<'updateProvider'>['body'],
): Promise<void> {
  const row = await existing(tx, context, id);
  const settings = settingsFrom(settingsOf(row), body);
  const wanted = { name: body.name ?? row.name, issuer: body.issuer ?? row.issuer };
  check(await listProviders(tx.scoped), { id, ...wanted }, settings);
  if (wanted.issuer !== row.issuer) await requireUnused(tx, row);
  const enabled = body.enabled === undefined ? row.enabled : bit(body.enabled);
  if (enabled === 0 && row.enabled === 1) await endUse(tx, row);
  const before = await auditedProvider(tx.scoped, row);
  if (body.groupMapping !== undefined) await replaceMapping(tx, id, await checkedMapping(tx, body.groupMapping));
  const values = {
    ...wanted,
    client_id: body.clientId ?? row.client_id,
    client_secret: secretFrom(box, row, body.clientSecret),
    position: body.position ?? row.position,
    enabled,
    settings: encodeSettings(settings),
  };
  await record(tx, row, { ...row, ...values }, before, body.clientSecret != null);
  await endMemberships(tx, id, false);
}

/** Deletes a provider with the links, sessions and memberships that come from it. */
export async function removeProvider(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existing(tx, context, id);
  await endUse(tx, row);
  await endMemberships(tx, id, true);
  const before = await auditedProvider(tx.scoped, row);
  await deleteProvider(tx, id);
  tx.changed({ kind: 'provider', id, op: 'delete', name: row.name, before, after: null, auditOnly: true });
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<ProviderRow> {
  const row = await findProvider(tx.scoped, id);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

async function endUse(tx: Tx, row: ProviderRow): Promise<void> {
  await requireOwnersWayIn(tx, row);
  await endGrantsOf(tx, row.id);
}

async function record(tx: Tx, old: ProviderRow, row: ProviderRow, before: object, newSecret: boolean): Promise<void> {
  const after = await auditedProvider(tx.scoped, row);
  if (!newSecret && encodeJson(before) === encodeJson(after)) return;
  const { id, tenant_id, ...values } = row;
  await updateProvider(tx, id, { ...values, version: old.version + 1, updated_at: tx.now });
  const change = newSecret ? { ...after, clientSecret: 'changed' } : after;
  tx.changed({ kind: 'provider', id, op: 'update', name: row.name, before, after: change, auditOnly: true });
}

/** Absent fields stay, null clears. */
function settingsFrom(present: ProviderSettings, body: Body): ProviderSettings {
  const { label, groupsClaim, requiredGroup } = body;
  return {
    label: label === undefined ? present.label : label,
    scopes: body.scopes ?? present.scopes,
    groupsClaim: groupsClaim === undefined ? present.groupsClaim : groupsClaim,
    emailDomains: body.emailDomains ?? present.emailDomains,
    hostedDomains: body.hostedDomains ?? present.hostedDomains,
    entraTenants: body.entraTenants ?? present.entraTenants,
    requiredGroup: requiredGroup === undefined ? present.requiredGroup : requiredGroup,
    provisioning: body.provisioning ?? present.provisioning,
    trustEmail: body.trustEmail ?? present.trustEmail,
    requireAuthTime: body.requireAuthTime ?? present.requireAuthTime,
    assuresSecondFactor: body.assuresSecondFactor ?? present.assuresSecondFactor,
  };
}

function secretFrom(box: Pick<SecretBox, 'seal'>, row: ProviderRow, given: string | null | undefined): string | null {
  if (given === undefined) return row.client_secret;
  return given === null ? null : box.seal(given, secretPurpose(row.id));
}

/** An issuer that serves all organisations must say which one; new people need a limit on who they are. */
function check(
  others: readonly ProviderRow[],
  { id, name, issuer }: Pick<ProviderRow, 'id' | 'name' | 'issuer'>,
  settings: ProviderSettings,
): void {
  const errors = new FieldErrors();
  if (others.some((row) => row.id !== id && row.name === name)) errors.add('/name', 'is the name of another provider');
  const shared = sharedIssuer(issuer);
  if (shared !== null && settings[shared].length === 0)
    errors.add(`/${shared}`, `is needed: ${issuer} serves every organisation`);
  const limited = settings.hostedDomains.length + settings.entraTenants.length > 0 || settings.requiredGroup !== null;
  if (settings.provisioning && !limited)
    errors.add('/provisioning', 'needs hostedDomains, entraTenants or requiredGroup: else any account there would do');
  if (settings.requiredGroup !== null && settings.groupsClaim === null)
    errors.add('/requiredGroup', 'needs groupsClaim, the claim that carries the groups');
  errors.check();
}

/** The subjects of one issuer mean nothing at another: an account there could be that of somebody else. */
async function requireUnused(tx: Tx, row: ProviderRow): Promise<void> {
  const linked = await tx.scoped
    .selectFrom('sign_in_methods')
    .select('id')
    .where('provider_id', '=', row.id)
    .executeTakeFirst();
  if (linked !== undefined)
    throw new ApiError('in_use', `Accounts of ${row.issuer} are linked: create another provider for the new issuer`);
}

async function checkedMapping(
  tx: Tx,
  given: readonly { readonly value: string; readonly group: string }[],
): Promise<GroupMapping[]> {
  const mapping = given.map(({ value, group }) => ({ value, group: group.toLowerCase() }));
  const known = new Set(
    (await findGroups(tx.scoped, [...new Set(mapping.map(({ group }) => group))])).map(({ id }) => id),
  );
  for (const [i, { group }] of mapping.entries())
    if (!known.has(group))
      throw invalidField(`/groupMapping/${i}/group`, 'is not the id of a group', 'invalid_reference');
  return [...new Map(mapping.map((one) => [`${one.group} ${one.value}`, one])).values()];
}
