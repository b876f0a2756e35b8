import assert from 'node:assert/strict';
import { execFile as execFileOfNode } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '@sallyport/testkit';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import type { StoredFact } from '../../apps/controller/src/replicas/types.ts';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { joinReplica, type TestReplica } from '../../apps/controller/src/testing/shared-replicas.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const execFile = promisify(execFileOfNode);
const operator = join(import.meta.dirname, '../../apps/controller/src/backup/main.ts');
type Loose = ReturnType<typeof JSON.parse>;

const postgres = serverOfFile();
const folder = mkdtempSync(join(tmpdir(), 'sallyport-replicas-'));
postgres.cleanup.add(async () => rmSync(folder, { recursive: true }));

const actor = { kind: 'system', id: null, name: 'test' } as const;

/** Joins several replicas to one new database, one after the other. */
async function join3(count = 3) {
  const place = await freshDatabase(postgres.server);
  const all: TestReplica[] = [];
  for (let n = 0; n < count; n++) all.push(await joinReplica(place));
  const [a, b, c] = all;
  assert.ok(a !== undefined && b !== undefined);
  await until('they see each other', () => all.every(({ replicas }) => replicas.others().length === count - 1));
  return { a, b, c: c ?? b, all, place };
}

const stopAll = (all: readonly TestReplica[]) => Promise.all(all.map((replica) => replica.stop()));

test('a commit of one replica is noticed by the others, also when the notification is lost', async () => {
  const { a, b, all } = await join3(2);
  const { tenant } = await createTenant(a.store, actor, 'First');
  await until('b knows the revision', () => b.store.log.head(tenant.id) > 0);
  const known = b.store.log.head(tenant.id);
  // Another program takes a revision and tells nobody.
  await a.store.db
    .updateTable('tenants')
    .set({ revision: known + 1 })
    .execute();
  await until('b finds it by itself', () => b.store.log.head(tenant.id) === known + 1);
  await stopAll(all);
});

test('questions are answered across replicas: long ones, odd characters, failures, and silence', async () => {
  const { a, b, all } = await join3(2);
  b.replicas.handle('echo', (body, from) => ({ body, from }));
  b.replicas.handle('fails', () => {
    throw new Error('on purpose');
  });
  const { id } = b.replicas.self;
  const long = { text: `${'ü€😀'.repeat(2_000)}\u2028` };
  const { sent, received } = a.replicas.figures().messages;
  assert.deepEqual(await a.replicas.ask(id, 'echo', long, 10_000), { body: long, from: a.replicas.self.id });
  const after = a.replicas.figures().messages;
  assert.deepEqual([after.sent - sent, after.received - received, after.dropped], [1, 1, 0]);
  assert.equal(await a.replicas.ask(id, 'fails', {}, 10_000), null);
  assert.equal(await a.replicas.ask(id, 'unknown', {}, 10_000), null);
  assert.equal(await a.replicas.ask(id, 'echo', 'x'.repeat(70_000), 10_000), null, 'too long');
  assert.equal(await a.replicas.ask('nobody', 'echo', {}, 10_000), null);
  const told: unknown[] = [];
  b.replicas.handle('news', (body) => void told.push(body));
  a.replicas.tell('others', 'news', 1);
  a.replicas.tell(id, 'news', 2);
  await until('both arrive', () => told.length === 2);
  b.replicas.heard('nonsense');
  b.replicas.heard('M someone 1 0/1 {"kind":"tell"}');
  assert.ok(b.replicas.others().length === 1, 'malformed notifications end nothing');
  await stopAll(all);
});

test('what another version sends is dropped with one line in the log, and the rest arrives', async () => {
  const { a, b, all } = await join3(2);
  const { id } = b.replicas.self;
  const told: unknown[] = [];
  b.replicas.handle('known', (body) => void told.push(body));
  for (let n = 0; n < 20; n++) {
    a.replicas.tell(id, 'of a newer version', { n });
    b.replicas.heard(`Z ${a.replicas.self.id} something new`);
    b.replicas.heard(`M ${a.replicas.self.id} ${n} 0/1 {"kind":"shout","topic":"known","question":0}`);
    a.replicas.tell(id, 'known', n);
  }
  assert.equal(await a.replicas.ask(id, 'of a newer version', {}, 10_000), null, 'a question gets an answer');
  await until('the rest arrives', () => told.length === 20);
  const lines = b.warnings.map((line) => JSON.parse(line).msg);
  assert.deepEqual(lines.toSorted(), [
    'a message of another replica that this version does not know; it is dropped, and so are others like it',
    'a notification of a kind that this version does not know; it is dropped, and so are others like it',
    'a notification of another replica could not be read; it is dropped, and so are others like it',
  ]);
  await stopAll(all);
});

test('facts reach every replica in order, are there for a late one, and never go back a generation', async () => {
  const { a, b, c, all, place } = await join3();
  const heard = new Map<TestReplica, StoredFact[]>();
  for (const replica of all) {
    heard.set(replica, []);
    replica.replicas.facts.follow('seen', (fact) => heard.get(replica)?.push(fact));
  }
  const fact = { tenant: 't', kind: 'seen', object: 'agent', generation: 2 };
  for (let n = 0; n < 20; n++) a.replicas.facts.publish({ ...fact, value: n });
  await a.replicas.facts.settled();
  await until('b has the newest', () => heard.get(b)?.at(-1)?.value === 19);
  c.replicas.facts.publish({ ...fact, generation: 1, value: 'old' });
  await c.replicas.facts.settled();
  b.replicas.facts.publish({ ...fact, generation: 3, value: null });
  await b.replicas.facts.settled();
  await until('a and c have it', () => [a, c].every((replica) => heard.get(replica)?.at(-1)?.generation === 3));
  assert.ok(!heard.get(a)?.some(({ value }) => value === 'old'));
  const values = heard.get(c)?.map(({ value }) => value) ?? [];
  assert.deepEqual([...values].sort(), values.toSorted(), 'in order');
  const readBefore = c.replicas.figures().facts.read;
  b.replicas.facts.publish({ ...fact, object: 'unreadable', value: null });
  await b.replicas.facts.settled();
  await a.store.db.updateTable('facts').set({ value: '{' }).where('object', '=', 'unreadable').execute();
  b.replicas.facts.publish({ ...fact, object: 'after', value: 'fine' });
  await b.replicas.facts.settled();
  await until('an unreadable fact keeps no other back', () => heard.get(c)?.at(-1)?.value === 'fine');
  assert.ok(c.replicas.figures().facts.read > readBefore && b.replicas.figures().facts.stored === 3);
  await b.kill();
  const late = await joinReplica(place);
  const found: StoredFact[] = [];
  late.replicas.facts.follow('seen', (each) => found.push(each));
  const ofAgent = () => found.find(({ object }) => object === 'agent');
  await until('the late one has the fact of the dead one', () => ofAgent() !== undefined);
  assert.deepEqual([ofAgent()?.generation, ofAgent()?.value], [3, null]);
  await stopAll([a, c, late]);
});

test('replicas see within seconds who was killed, and go on after their server was killed', async () => {
  const { a, b, c } = await join3();
  let changes = 0;
  a.replicas.onChange(() => changes++);
  await c.kill();
  await until('c counts as dead', () => !a.replicas.isAlive(c.replicas.self.id));
  assert.ok(changes > 0 && a.replicas.isAlive(b.replicas.self.id));
  await postgres.server.kill('SIGKILL');
  await until('both notice', () => [a, b].every(({ store }) => store.trouble() !== null));
  await postgres.server.run();
  await until('both are back', () => [a, b].every(({ store }) => store.trouble() === null));
  const { tenant } = await createTenant(a.store, actor, 'After');
  await until('b hears of commits again', () => b.store.log.head(tenant.id) > 0);
  assert.ok(a.replicas.maySign() && a.replicas.lastContact() <= a.store.now());
  await stopAll([a, b]);
});

test('several controllers serve one database, and one of them may be killed; one that would change what they have read is refused', async (t) => {
  await postgres.server.sql('CREATE DATABASE several');
  const keyFile = join(folder, 'master.key');
  writeFileSync(keyFile, 'ab'.repeat(32));
  const env = {
    SALLYPORT_DATABASE_URL: postgres.server.url('several'),
    SALLYPORT_MASTER_KEY_FILE: keyFile,
    SALLYPORT_BOOTSTRAP_API_KEY: 'k'.repeat(40),
  };
  // At once, on an empty database.
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => ControllerProcess.start(t, join(folder, name), [], env)),
  );
  assert.ok(one !== undefined && two !== undefined);
  const ask = async (controller: ControllerProcess, method: string, path: string, body?: object) => {
    const headers = { apikey: 'k'.repeat(40), ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(`${controller.url}${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, json: answer.status === 204 ? null : await answer.json() };
  };
  for (let n = 0; n < 5; n++) {
    const [first, second] = n % 2 === 0 ? [one, two] : [two, one];
    const made = await ask(first, 'POST', '/tenants/gateways', { name: `gateway ${n}`, wireguardPort: '51820' });
    assert.equal(made.status, 201);
    const listed = await ask(second, 'GET', '/tenants/gateways');
    assert.equal(listed.json.length, n + 1, 'what one wrote, the other one reads');
  }
  const { stdout } = await execFile(process.execPath, [
    operator,
    'replicas',
    '--json',
    '--data-dir',
    join(folder, 'one'),
  ]);
  const { shared, controllers, database } = JSON.parse(stdout);
  assert.deepEqual([database.timeline, database.replication], [1, { kind: 'none', standbys: 0 }]);
  assert.equal(shared, true);
  const shown = controllers.map(({ self, alive, agents, behind }: Loose) => ({ self, alive, agents, behind }));
  const alive = { alive: true, agents: 0, behind: 0 };
  assert.deepEqual(shown, [
    { self: true, ...alive },
    { self: false, ...alive },
  ]);
  const link = (name: string) => new URL(readFileSync(join(folder, name, 'set-up-link'), 'utf8')).hash;
  assert.equal(link('one'), link('two'), 'the second one to start does not end the link that the first one told');
  const epoch = await ControllerProcess.start(t, join(folder, 'epoch'), [], { ...env, SALLYPORT_NEW_EPOCH: 'true' });
  assert.throws(() => epoch.url, /SALLYPORT_NEW_EPOCH begins a new epoch, and other controllers use the database: .*,/);
  const range = { ...env, SALLYPORT_OVERLAY: '10.200.0.0/16' };
  const moved = await ControllerProcess.start(t, join(folder, 'moved'), [], range);
  assert.throws(() => moved.url, /SALLYPORT_OVERLAY names another range than the one in force, and other controllers/);
  await one.kill('SIGKILL');
  const after = await ask(two, 'POST', '/tenants/gateways', { name: 'after', wireguardPort: '51820' });
  assert.equal(after.status, 201);
  assert.equal(await two.kill('SIGTERM'), 0);
});
