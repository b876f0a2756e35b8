import { randomUUIDv7 } from 'node:crypto';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import { findSamlDefaultGroup } from '../../objects/groups/queries.ts';
import type { ProviderPerson } from '../../objects/providers/claims.ts';
import { type ProviderRow, settingsOf } from '../../objects/providers/queries.ts';
import { type MethodRow, methodsOf } from '../../objects/sign-in/methods.ts';
import { findIdentity, noteIdentity, putIdentity } from '../../objects/sign-in/provider-identity.ts';
import { inviteUsers } from '../../objects/users/invite.ts';
import { findUser, type UserRow, updateUser, userByEmail } from '../../objects/users/queries.ts';
import { roleInForce } from '../../objects/users/role-in-force.ts';
import { statusOf } from '../../objects/users/status.ts';
import { trackUsers } from '../../objects/users/tracking.ts';

/** Whom an account at a provider stands for. */
export type Who =
  /** It is linked to this user. */
  | { readonly kind: 'linked'; readonly user: UserRow; readonly method: MethodRow }
  /** This user was invited and has no way to sign in yet. */
  | { readonly kind: 'invited'; readonly user: UserRow }
  /** The provider may bring new people. */
  | { readonly kind: 'new'; readonly email: string };

/** Finds whom an account at a provider stands for. Throws `sign_in_failed` with what the person can do. */
export async function whoIs(db: Scoped, row: ProviderRow, person: ProviderPerson, now: number): Promise<Who> {
  const method = await findIdentity(db, row.id, person.subject);
  const linked = method === undefined ? undefined : await findUser(db, method.user_id);
  if (method !== undefined && linked !== undefined) return { kind: 'linked', user: linked, method };
  const { email, emailVerified } = person;
  if (email === null || !emailVerified)
    throw refused(row, 'has no verified e-mail address, and is linked to no user. Sign in another way and link it');
  const user = await userByEmail(db, email);
  if (user !== undefined) {
    if (await mayLinkByEmail(db, user, now)) return { kind: 'invited', user };
    throw refused(row, `is not linked to the user ${email}. Sign in another way and link it in “My account”`);
  }
  if (!settingsOf(row).provisioning) throw refused(row, `belongs to no user. Ask an administrator to invite ${email}`);
  return { kind: 'new', email };
}

/**
 * An address proves less than an own method does. It links only to a plain user who was invited and has nothing to lose: no
 * method, no role.
 */
async function mayLinkByEmail(db: Scoped, user: UserRow, now: number): Promise<boolean> {
  if (statusOf(user, now) !== 'INVITED' || (await methodsOf(db, user.id)).length > 0) return false;
  return ['BASIC', 'DEFAULT'].includes(await roleInForce(db, user.id, user.is_owner === 1));
}

const refused = ({ name }: ProviderRow, why: string): ApiError =>
  new ApiError('sign_in_failed', `The account at ${name} ${why}`);

/** Returns the user who signs in; of a new one the id and address that it will have. */
export const userOf = (row: ProviderRow, who: Who): UserRow =>
  who.kind === 'new' ? ({ id: randomUUIDv7(), email: who.email, tenant_id: row.tenant_id } as UserRow) : who.user;

/** Links the account of a person, and makes the user active or new, as `whoIs` found. Returns the method. */
export async function admit(
  tx: Tx,
  row: ProviderRow,
  who: Who,
  { id }: Pick<UserRow, 'id'>,
  person: ProviderPerson,
): Promise<MethodRow> {
  if (who.kind === 'linked') {
    await noteIdentity(tx, who.method, person);
    return who.method;
  }
  if (who.kind === 'new') {
    const group = (await findSamlDefaultGroup(tx.scoped)).id;
    await inviteUsers(tx, [{ id, email: who.email, groups: [group] }], ['']);
  }
  const names = who.kind === 'new' ? { first_name: person.firstName, last_name: person.lastName } : {};
  await trackUsers(tx, [id], () => updateUser(tx, id, { status: 'ACTIVE', ...names }));
  const method = await putIdentity(tx, row, id, person);
  await noteIdentity(tx, method, person);
  return method;
}
