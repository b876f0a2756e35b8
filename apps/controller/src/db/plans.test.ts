import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompiledQuery } from 'kysely';
import { openTestStore, testPostgres } from '../testing/harness.ts';

/** Queries that are asked of tenants with many rows, and the column that they must be looked up by. */
const lookups: readonly { readonly sql: string; readonly by: RegExp }[] = [
  { sql: 'select * from users where tenant_id = ? and id in (?, ?, ?, ?)', by: /\(id=\?\)/ },
  { sql: 'select * from devices where tenant_id = ? and id in (?, ?, ?, ?)', by: /\(id=\?\)/ },
  { sql: 'select * from resources where tenant_id = ? and id in (?, ?, ?, ?)', by: /\(id=\?\)/ },
  {
    sql: 'select id from devices where tenant_id = ? and user_id in (?, ?) order by created_at',
    by: /AND user_id=\?\)/,
  },
  { sql: 'select group_id from group_members where tenant_id = ? and user_id in (?, ?)', by: /AND user_id=\?\)/ },
  { sql: 'select user_id from group_members where tenant_id = ? and group_id in (?, ?)', by: /\(group_id=\?\)/ },
  { sql: 'select role_id from user_roles where tenant_id = ? and user_id in (?, ?)', by: /AND user_id=\?\)/ },
  { sql: 'select kind from policy_members where tenant_id = ? and policy_id in (?, ?)', by: /policy_id=\?/ },
  { sql: 'select kind from policy_members where tenant_id = ? and kind = ? and member_id = ?', by: /member_id=\?/ },
  { sql: 'select * from addresses where tenant_id = ? and resource_id in (?, ?)', by: /resource_id=\?/ },
];

test('objects named by id are looked up by id, without reading the whole tenant', async (t) => {
  if (testPostgres !== undefined) return t.skip('asks for plans of SQLite');
  const store = await openTestStore(t);
  for (const { sql, by } of lookups) {
    const { rows } = await store.db.executeQuery<{ detail: string }>(CompiledQuery.raw(`explain query plan ${sql}`));
    assert.match(rows.map(({ detail }) => detail).join('\n'), by, sql);
  }
});
