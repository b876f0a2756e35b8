import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PostgresPlaces, parseDatabaseUrl, shownPlaces } from './place.ts';

function placesOf(url: string, ca: string | null = null): PostgresPlaces {
  const places = parseDatabaseUrl(url, ca);
  assert.ok(typeof places !== 'string', `${places}`);
  return places;
}

test('a database URL names host, port, database, user and password', () => {
  const places = placesOf('postgresql://sally:p%40ss%2Fword@db.example.com/access');
  const [{ tls, ...rest }] = places;
  assert.deepEqual(rest, {
    host: 'db.example.com',
    port: 5432,
    database: 'access',
    user: 'sally',
    password: 'p@ss/word',
  });
  assert.equal(tls?.rejectUnauthorized, true);
  assert.deepEqual([places.length, shownPlaces(places)], [1, 'sally@db.example.com:5432/access']);
});

test('the certificate of the server is checked, unless the server is this host or TLS is turned off', () => {
  const secured = (url: string) => placesOf(url)[0].tls !== null;
  assert.ok(secured('postgres://u@db/x'));
  assert.ok(secured('postgres://u@10.0.0.1:6000/x'));
  assert.ok(secured('postgres://u@localhost/x?sslmode=verify-full'));
  assert.ok(!secured('postgres://u@localhost/x'));
  assert.ok(!secured('postgres://u@[::1]/x'));
  assert.ok(!secured('postgres://u@db/x?sslmode=disable'));
  assert.ok(!secured('postgres:///x?host=/run/postgresql&user=u'));
  const [place] = placesOf('postgres://u@db.example.com/x');
  const names = { subject: { CN: 'other' }, subjectaltname: 'DNS:other.example.com' } as never;
  assert.match(String(place.tls?.checkServerIdentity?.('', names)), /other\.example\.com/);
});

test('a database URL may name several servers, each with a port and a name of its own in its certificate', () => {
  const places = placesOf(
    'postgres://u:p%2C@one.example.com:6000,[fd00::2],10.0.0.3:7000/x?target_session_attrs=read-write',
  );
  assert.equal(shownPlaces(places), 'u@one.example.com:6000/x, u@[fd00::2]:5432/x, u@10.0.0.3:7000/x');
  assert.ok(places.every(({ password, tls }) => password === 'p,' && tls !== null));
  const names = { subject: { CN: 'one' }, subjectaltname: 'DNS:one.example.com' } as never;
  assert.deepEqual(
    places.map(({ tls }) => tls?.checkServerIdentity?.('', names) === undefined),
    [true, false, false],
  );
  const sockets = placesOf('postgres:///x?host=/run/one,/run/two&port=6000,7000&user=u');
  assert.equal(shownPlaces(sockets), 'u@/run/one:6000/x, u@/run/two:7000/x');
  assert.equal(shownPlaces(placesOf('postgres:///x?host=/a,/b&port=6000&user=u')), 'u@/a:6000/x, u@/b:6000/x');
  const [here, there] = placesOf('postgres://u@localhost,db/x', 'PEM');
  assert.deepEqual([here.tls, there?.tls?.ca], [null, 'PEM']);
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
    ['postgres://u:hunter2@one,,two/x', /with commas between hosts/],
    ['postgres://u:hunter2@one,/x', /must be like/],
    ['postgres://u:hunter2@one:5432,two:x/x', /must be like/],
    ['postgres:///x?host=/a,/b&port=1,2,3&user=u', /must be like/],
    ['postgres:///x?host=/a,b&user=u', /folder of a Unix socket/],
    ['postgres://u:hunter2@one,two:1,two:1/x', /names the server two, port 1, twice/],
    [`postgres://u:hunter2@${Array.from({ length: 9 }, (_, n) => `s${n}`)}/x`, /names 9 servers; 8 are the most/],
    ['postgres://u:hunter2@one,two/x?target_session_attrs=any', /only the primary server can be used/],
  ] as const) {
    const refusal = parseDatabaseUrl(url, null);
    assert.ok(typeof refusal === 'string', url);
    assert.match(refusal, text);
    assert.doesNotMatch(refusal, /hunter2/);
  }
  assert.match(String(parseDatabaseUrl('postgres://u@localhost/x', 'PEM')), /without TLS/);
});
