import assert from 'node:assert/strict';
import type { Group, Role, RoleType } from '@sallyport/contract';
import type { TestApp } from './harness.ts';

export async function readUser(app: TestApp, id: string) {
  const answer = await app.request('GET', `/tenants/users/${id}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

export async function defaultGroup(app: TestApp, key: string = app.tenant.key): Promise<Group> {
  const { json } = await app.request('GET', '/tenants/groups?limit=100', { key });
  return json.data.find(({ deleteable }: Group) => !deleteable);
}

export async function roleOf(app: TestApp, type: RoleType, key: string = app.tenant.key): Promise<Role> {
  const { json } = await app.request('GET', '/tenants/roles', { key });
  return json.find((role: Role) => role.type === type);
}

/** What no operation of this version does: a user becomes the owner of the tenant. */
export async function makeOwner(app: TestApp, user: string): Promise<void> {
  await app.store.db.updateTable('users').set({ is_owner: 1 }).where('id', '=', user).execute();
}

/** Gives a device to a user without asking whether it may be. */
export async function giveDevice(app: TestApp, device: string, user: string): Promise<void> {
  await app.store.db.updateTable('devices').set({ user_id: user }).where('id', '=', device).execute();
}

/** Lets a policy name a user or a group. */
export async function nameInPolicy(app: TestApp, policy: string, kind: 'user' | 'group', member: string) {
  const row = { tenant_id: app.tenant.id, policy_id: policy, kind, member_id: member, position: 0 };
  await app.store.db.insertInto('policy_members').values(row).execute();
}

export const membersOfPolicy = async (app: TestApp, policy: string): Promise<string[]> => {
  const rows = await app.store.db
    .selectFrom('policy_members')
    .select('member_id')
    .where('policy_id', '=', policy)
    .orderBy('member_id')
    .execute();
  return rows.map(({ member_id }) => member_id);
};
