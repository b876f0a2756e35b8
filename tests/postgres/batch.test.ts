import assert from 'node:assert/strict';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { PostgresPool } from '../../apps/controller/src/db/postgres/pool.ts';

const cleanup = new Cleanup();
let server: PostgresServer;

before(async () => {
  server = await PostgresServer.start(cleanup);
  await server.sql('CREATE TABLE notes (id bigint PRIMARY KEY, text text)');
});
after(() => cleanup.run());

interface Answer {
  readonly command: string;
  readonly rowCount: number;
  readonly rows: readonly object[];
}

/** Lends a connection to the server, through a proxy that counts what arrives on the way there. */
async function connect(t: TestContext) {
  const target = join(server.folder, `.s.PGSQL.${server.port}`);
  let messages = 0;
  const proxy = net.createServer((client) => {
    const through = net.connect(target);
    for (const socket of [client, through]) socket.on('error', () => undefined);
    client.on('data', () => messages++);
    client.pipe(through).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as net.AddressInfo;
  const place = { host: '127.0.0.1', port, database: 'postgres', user: 'sally', password: null, tls: null };
  const pool = new PostgresPool(place, () => true);
  const client = await pool.connect();
  t.after(async () => {
    client.release();
    await pool.end();
    proxy.close();
  });
  const run = (text: string, ...values: unknown[]) => client.query(text, values) as unknown as Promise<Answer>;
  return { run, messages: () => messages };
}

const insert = 'INSERT INTO notes (id, text) VALUES ($1, $2)';

test('statements of one turn are one message, and each gets its own answer', async (t) => {
  const { run, messages } = await connect(t);
  const before = messages();
  const [, first, both, none, committed] = await Promise.all([
    run('begin'),
    run(insert, 1, 'one'),
    run('SELECT id, text, id = 1 AS "isFirst" FROM notes WHERE id <= $1', 2),
    run('SELECT id FROM notes WHERE id = $1', 77),
    run('commit'),
  ]);
  assert.equal(messages() - before, 1);
  assert.deepEqual([first?.command, first?.rowCount], ['INSERT', 1]);
  assert.deepEqual(both?.rows, [{ id: 1, text: 'one', isFirst: 1 }]);
  assert.deepEqual([none?.rows, none?.rowCount], [[], 0]);
  assert.equal(committed?.command, 'COMMIT');
  assert.equal(await server.sql('SELECT text FROM notes WHERE id = 1'), 'one');
});

test('when a statement fails, those behind it fail for the same reason and nothing is committed', async (t) => {
  const { run } = await connect(t);
  for (let round = 0; round < 5; round++) {
    const outcomes = await Promise.allSettled([
      run('begin'),
      run(insert, 10, 'kept?'),
      run(insert, 10, 'twice'),
      run('SELECT id FROM notes WHERE id = $1', 10),
      run('commit'),
    ]);
    const reasons = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : null));
    assert.deepEqual(reasons, [null, null, '23505', '23505', '23505'], `round ${round}`);
    await run('rollback');
    assert.equal(await server.sql('SELECT count(*) FROM notes WHERE id = 10'), '0');
    const found = await run('SELECT id FROM notes WHERE id = $1', 10);
    assert.deepEqual(found.rows, [], 'the connection goes on');
  }
});

test('a value that no column can have fails its own statement alone, and unsent', async (t) => {
  const { run } = await connect(t);
  const look = () => run('SELECT $1::text AS said', 'fine');
  const [before, wrong, behind] = await Promise.allSettled([look(), run(insert, 20, { an: 'object' }), look()]);
  assert.equal(wrong?.status, 'rejected');
  for (const outcome of [before, behind])
    assert.deepEqual(outcome?.status === 'fulfilled' && outcome.value.rows, [{ said: 'fine' }]);
});

test('the server keeps what comes again and again, the begin and the end of transactions too', async (t) => {
  const { run } = await connect(t);
  for (const end of ['commit', 'commit', 'commit', 'rollback', 'rollback', 'rollback', 'commit']) {
    await run('begin');
    if (end === 'rollback') await assert.rejects(run('SELECT 1 / $1::int', 0));
    else await run('SELECT id FROM notes WHERE id = $1', 1);
    assert.equal((await run(end)).command, end.toUpperCase());
  }
  const kept = 'SELECT statement FROM pg_prepared_statements WHERE statement IN ($1, $2, $3) ORDER BY statement';
  const { rows } = await run(kept, 'begin', 'commit', 'rollback');
  assert.deepEqual(rows, [{ statement: 'begin' }, { statement: 'commit' }, { statement: 'rollback' }]);
});

test('a statement that the server keeps is read again when a column was added to its table', async (t) => {
  const { run } = await connect(t);
  await server.sql('CREATE TABLE grown (id bigint); INSERT INTO grown VALUES (1)');
  const look = () => run('SELECT * FROM grown WHERE id = $1', 1);
  for (let n = 0; n < 5; n++) assert.deepEqual((await look()).rows, [{ id: 1 }]);
  await server.sql("ALTER TABLE grown ADD COLUMN name text DEFAULT 'new'");
  assert.deepEqual((await look()).rows, [{ id: 1, name: 'new' }]);
});
