import { randomUUIDv7 } from 'node:crypto';
import type { Tx } from '../../db/store.ts';
import { FieldErrors } from '../../field-errors.ts';
import { findDefaultGroup, findGroups } from '../groups/queries.ts';
import { recordMembers } from '../groups/tracking.ts';
import { emailKey } from './email-key.ts';
import { insertMemberships, insertUsers, knownEmails } from './store.ts';
import { auditedUsers } from './tracking.ts';

/** A user as a request gives one. */
export interface GivenUser {
  /** Made when left out. */
  readonly id?: string;
  readonly email: string;
  /** Ids of groups; none: the default one. */
  readonly groups: readonly string[];
}

/**
 * Creates all users, or none when one of them is wrong. `pointers` has the JSON pointer of each. Returns their ids in
 * order.
 */
export async function inviteUsers(tx: Tx, given: readonly GivenUser[], pointers: readonly string[]): Promise<string[]> {
  const wanted = given.map(({ id, email, groups }, i) => ({
    id: id ?? randomUUIDv7(),
    email,
    key: emailKey(email),
    groups: groups.map((group) => group.toLowerCase()),
    pointer: pointers[i] ?? '',
  }));
  await check(tx, wanted);
  const refuge = (await findDefaultGroup(tx.scoped)).id;
  await insertUsers(
    tx,
    wanted.map(({ id, email, key }) => newRow(tx, id, email, key)),
  );
  const members = wanted.flatMap(({ id, groups }) =>
    (groups.length === 0 ? [refuge] : groups).map((group) => ({ user: id, group })),
  );
  await insertMemberships(tx, members);
  await record(
    tx,
    wanted.map(({ id }) => id),
  );
  await recordMembers(tx, [...new Set(members.map(({ group }) => group))], 'attach');
  return wanted.map(({ id }) => id);
}

type WantedUser = GivenUser & { readonly id: string; readonly key: string; readonly pointer: string };

async function check(tx: Tx, wanted: readonly WantedUser[]): Promise<void> {
  const errors = new FieldErrors();
  const taken = new Set(
    await knownEmails(
      tx.scoped,
      wanted.map(({ key }) => key),
    ),
  );
  const groups = [...new Set(wanted.flatMap((user) => user.groups))];
  const known = new Set((await findGroups(tx.scoped, groups)).map(({ id }) => id));
  for (const user of wanted) {
    if (taken.has(user.key)) errors.add(`${user.pointer}/email`, 'is the address of another user', 'email_taken');
    taken.add(user.key);
    for (const [i, id] of user.groups.entries()) {
      const pointer = `${user.pointer}/groups/${i}`;
      if (!known.has(id)) errors.add(pointer, 'is not the id of a group', 'invalid_reference');
      else if (user.groups.indexOf(id) !== i) errors.add(pointer, 'is given twice');
    }
  }
  errors.check();
}

const newRow = (tx: Tx, id: string, email: string, key: string) => ({
  id,
  created_at: tx.now,
  updated_at: tx.now,
  version: 1,
  email,
  email_key: key,
  status: 'INVITED' as const,
  invited_at: tx.now,
  is_owner: 0,
  first_name: null,
  last_name: null,
  image: null,
  department: null,
  attributes: '{}',
  max_devices: null,
  last_connection: null,
});

async function record(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const [id, after] of await auditedUsers(tx, ids))
    tx.changed({ kind: 'user', id, op: 'create', name: after.name, before: null, after });
}
