import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databaseOf } from './database-config.ts';
import { OperatorError } from './errors.ts';
import { selfSigned } from './testing/certificates.ts';
import { testFolder } from './testing/controller-process.ts';

const urls = (url: string | undefined, directUrl: string | undefined, caFile?: string) => ({
  SALLYPORT_DATABASE_URL: url,
  SALLYPORT_DATABASE_DIRECT_URL: directUrl,
  SALLYPORT_DATABASE_CA_FILE: caFile,
  SALLYPORT_MASTER_KEY_FILE: '/etc/sallyport/master.key',
});

test('with a direct URL the session goes to the servers that it names, and everything else to the pooler', () => {
  const places = databaseOf(urls('postgres://u@pool:6432/x', 'postgres://u@one,two/x'));
  const shown = places?.map(({ host, port, pooler }) => [host, port, pooler?.host, pooler?.port]);
  assert.deepEqual(shown, [
    ['one', 5432, 'pool', 6432],
    ['two', 5432, 'pool', 6432],
  ]);
  assert.equal(databaseOf(urls('postgres://u@one/x', undefined))?.[0].pooler, undefined);
});

test('each of the two URLs has its own TLS, and a pooler on this host needs none', (t) => {
  const tls = (url: string, directUrl: string) => {
    const [{ tls: direct, pooler }] = databaseOf(urls(url, directUrl)) ?? assert.fail();
    return [pooler?.tls !== null, direct !== null];
  };
  const local = 'postgres://u@localhost:6432/x';
  assert.deepEqual(tls(local, 'postgres://u@one/x'), [false, true]);
  assert.deepEqual(tls('postgres://u@pool:6432/x', 'postgres://u@one/x?sslmode=disable'), [true, false]);
  const { cert } = selfSigned(testFolder(t), 'one');
  const [{ tls: direct, pooler }] = databaseOf(urls(local, 'postgres://u@one/x', cert)) ?? assert.fail();
  assert.match(String(direct?.ca), /BEGIN CERTIFICATE/);
  assert.equal(pooler?.tls, null);
  assert.throws(
    () => databaseOf(urls(local, 'postgres://u@127.0.0.1/x', cert)),
    /are without TLS, but .*CA_FILE is set/,
  );
});

test('URLs that do not fit together are refused without their passwords', () => {
  const pool = 'postgres://u:hunter2@pool:6432/x';
  for (const [settings, text] of [
    [urls(undefined, pool), /DIRECT_URL has no effect without SALLYPORT_DATABASE_URL/],
    [urls(undefined, undefined, '/etc/ca.pem'), /CA_FILE has no effect without SALLYPORT_DATABASE_URL/],
    [urls('postgres://u:hunter2@a,b/x', pool), /SALLYPORT_DATABASE_URL names several servers: .* one pooler/],
    [urls(pool, 'mysql://u:hunter2@db/x'), /SALLYPORT_DATABASE_DIRECT_URL must be like/],
  ] as const)
    assert.throws(
      () => databaseOf(settings),
      (error: Error) => error instanceof OperatorError && text.test(error.message) && !/hunter2/.test(error.message),
    );
});
