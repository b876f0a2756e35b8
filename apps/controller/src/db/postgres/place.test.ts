import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDatabaseUrl, shownPlace } from './place.ts';

test('a database URL names host, port, database, user and password', () => {
  const place = parseDatabaseUrl('postgresql://sally:p%40ss%2Fword@db.example.com/access', null);
  assert.ok(typeof place !== 'string');
  const { tls, ...rest } = place;
  assert.deepEqual(rest, {
    host: 'db.example.com',
    port: 5432,
    database: 'access',
    user: 'sally',
    password: 'p@ss/word',
  });
  assert.equal(tls?.rejectUnauthorized, true);
  assert.equal(shownPlace(place), 'sally@db.example.com:5432/access');
});

test('the certificate of the server is checked, unless the server is this host or TLS is turned off', () => {
  const secured = (url: string) => {
    const place = parseDatabaseUrl(url, null);
    assert.ok(typeof place !== 'string', `${place}`);
    return place.tls !== null;
  };
  assert.ok(secured('postgres://u@db/x'));
  assert.ok(secured('postgres://u@10.0.0.1:6000/x'));
  assert.ok(secured('postgres://u@localhost/x?sslmode=verify-full'));
  assert.ok(!secured('postgres://u@localhost/x'));
  assert.ok(!secured('postgres://u@[::1]/x'));
  assert.ok(!secured('postgres://u@db/x?sslmode=disable'));
  assert.ok(!secured('postgres:///x?host=/run/postgresql&user=u'));
  const place = parseDatabaseUrl('postgres://u@db.example.com/x', null);
  assert.ok(typeof place !== 'string');
  const names = { subject: { CN: 'other' }, subjectaltname: 'DNS:other.example.com' } as never;
  assert.match(String(place.tls?.checkServerIdentity?.('', names)), /other\.example\.com/);
});

test('URLs that say too little, or ask for less than a check, are refused without the password', () => {
  for (const [url, text] of [
    ['mysql://u:hunter2@db/x', /must be like/],
    ['postgres://u:hunter2@db', /must be like/],
    ['postgres://db/x', /must be like/],
    ['postgres://u:hunter2@db:0/x', /must be like/],
    ['postgres://u:%zz@db/x', /must be like/],
    ['postgres://u:hunter2@db/x?sslmode=require', /sslmode=require; take verify-full/],
    ['postgres://u:hunter2@db/x?sslmode=prefer', /take verify-full/],
    ['postgres://u:hunter2@db/x?options=-c', /parameter options/],
    ['postgres://u:hunter2@db/x?host=/run', /folder of a Unix socket/],
    ['postgres:///x?host=/run&user=u&sslmode=verify-full', /no TLS/],
  ] as const) {
    const refusal = parseDatabaseUrl(url, null);
    assert.ok(typeof refusal === 'string', url);
    assert.match(refusal, text);
    assert.doesNotMatch(refusal, /hunter2/);
  }
  assert.match(String(parseDatabaseUrl('postgres://u@localhost/x', 'PEM')), /without TLS/);
});
