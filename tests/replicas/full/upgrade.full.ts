// Two versions of the program on one database, with real processes, under writes and with agents. Run by
// npm run test:replicas.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { linkModules } from '../../versions/previous.ts';
import { BadDays, Resident, Writer } from '../bad-days.ts';

const root = join(import.meta.dirname, '../../..');

/** Copies the program with a later version and one more migration. Returns the file that runs the controller. */
function laterVersion(t: TestContext, version: string, migration: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-later-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const filter = (path: string) => !/\/(node_modules|dist)$|\.test\.ts$/.test(path);
  for (const part of ['apps', 'packages', 'bin', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true, filter });
  linkModules(folder);
  const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...about, version }));
  for (const kind of ['sqlite', 'postgres'])
    writeFileSync(join(folder, `apps/controller/src/db/migrations/${kind}/9000-later.sql`), migration);
  return join(folder, 'apps/controller/src/main.ts');
}

test('a newer version takes its place beside older ones under writes, or refuses and says which must stop', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const add = 'ALTER TABLE gateways ADD COLUMN later TEXT;\n';
  const compatible = laterVersion(t, '90.0.0', `-- Oldest program: ${version}\n${add}`);
  const incompatible = laterVersion(t, '91.0.0', add);
  const days = await BadDays.start(t);
  const [one, two] = days.members;
  const residents = [await Resident.start([one], 0, 'first'), await Resident.start([one], 0, 'second')];
  const old = new Writer(one, 'old', 4);
  t.after(() => Promise.all([...residents, old].map((each) => each.end())));
  await until('writes succeed', () => old.acknowledged.length > 50);
  await assert.rejects(days.startOne('three', incompatible), (error: Error) => {
    assert.match(
      error.message,
      /version 91\.0\.0 changes the database so that controllers before 91\.0\.0 cannot go on/,
    );
    assert.match(error.message, new RegExp(`\\(version ${version.replaceAll('.', '\\.')}, `));
    return true;
  });
  assert.equal(await two.process.kill('SIGTERM'), 0);
  const newer = await days.startOne('two', compatible);
  const later = new Writer(newer, 'later', 4);
  t.after(() => later.end());
  const before = old.acknowledged.length;
  await until('both write', () => later.acknowledged.length > 50 && old.acknowledged.length > before + 50);
  const again = await days.startOne('old again');
  assert.equal(await again.isReady(), true);
  for (const writer of [old, later]) await writer.end();
  const refused = [old, later].flatMap(({ answers }) => answers).filter(({ status }) => status !== 201);
  assert.deepEqual(refused, [], 'no write fails');
  for (const { id, name } of residents)
    assert.equal((await newer.ask('PATCH', `/tenants/gateways/${id}`, { name, wireguardPort: '44000' })).status, 200);
  await until('agents of the old one get changes of the newer one', () =>
    residents.every(({ wireguardPort, sentAway }) => wireguardPort.includes('44000') && sentAway.length === 0),
  );
  const expected = [...old.acknowledged, ...later.acknowledged, 'first', 'second'].toSorted();
  for (const member of [one, newer, again]) assert.deepEqual((await days.names(member)).toSorted(), expected);
});
