import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cleanup, PgBouncer, PostgresServer, withoutPgBouncer } from '@sallyport/testkit';
import { asAdmin, placeOf } from '../../apps/controller/src/testing/postgres.ts';

const cleanup = new Cleanup();
let server: PostgresServer;

before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

test('two connections through a pooler share a process of the server, also after it was killed', {
  skip: withoutPgBouncer,
}, async () => {
  const pooler = await PgBouncer.start(cleanup, server, { settings: { default_pool_size: '1' } });
  const backend = 'SELECT pg_backend_pid() AS pid';
  for (const time of ['first', 'second']) {
    const seen: unknown[] = [];
    const place = placeOf(pooler.url());
    await asAdmin(place, async (one) => {
      await asAdmin(place, async (other) => {
        for (const client of [one, other]) seen.push((await client.query(backend)).rows[0].pid);
      });
    });
    assert.equal(seen[0], seen[1], time);
    await pooler.kill('SIGKILL');
    await pooler.run();
  }
});
