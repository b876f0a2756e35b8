import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type RealTenant, startController } from './real-tenant.ts';

const folder = fileURLToPath(new URL('../../examples', import.meta.url));

/** A question with its time, and the answer that the example's comments promise. */
type Claim = readonly [user: string, destination: string, at: string, verdict: 'allowed' | 'denied'];

const noon = '2026-12-01T12:00:00+01:00';
const night = '2026-12-01T23:00:00+01:00';
const sunday = '2026-12-06T12:00:00+01:00';
const claims: Readonly<Record<string, readonly Claim[]>> = {
  'small-office.yaml': [
    ['ben@example.com', '10.20.0.10:443', night, 'allowed'],
    ['ben@example.com', '10.20.0.10:22', night, 'denied'],
    ['ben@example.com', '10.20.30.7:9100', night, 'allowed'],
    ['ben@example.com', '198.51.100.20:443', night, 'denied'],
    ['anna@example.com', '198.51.100.20:443', night, 'allowed'],
  ],
  'company.yaml': [
    ['dora@example.com', '10.30.0.20:443', noon, 'allowed'],
    ['dora@example.com', '10.10.0.21:5432', noon, 'denied'],
    ['emil@example.com', '10.30.0.20:443', noon, 'denied'],
    ['emil@example.com', '10.10.0.20:443', noon, 'allowed'],
    ['fay@example.com', '10.10.0.21:5432', noon, 'allowed'],
  ],
  'contractors.yaml': [
    ['ines@contractor.example', '10.40.0.10:443', noon, 'allowed'],
    ['ines@contractor.example', '10.40.0.10:443', night, 'denied'],
    ['ines@contractor.example', '10.40.0.10:443', sunday, 'denied'],
    ['ines@contractor.example', '10.40.0.10:443', '2027-07-01T12:00:00+02:00', 'denied'],
    ['ines@contractor.example', '10.40.20.5:6443', noon, 'denied'],
    ['hugo@example.com', '10.40.10.5:443', noon, 'allowed'],
    ['hugo@example.com', '10.40.10.5:443', night, 'denied'],
    ['gita@example.com', '10.40.20.5:6443', night, 'denied'],
  ],
};

test('every example is applied and checked here', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  assert.deepEqual(files.sort(), Object.keys(claims).sort());
});

test('each example builds a complete tenant, and a second run finds nothing to do', async (t) => {
  const controller = await startController(t);
  for (const [file, answers] of Object.entries(claims)) {
    await t.test(file, async () => {
      const tenant = await controller.tenant(file);
      const apply = (...flags: string[]) => tenant.run(['apply', '-f', join(folder, file), ...flags]);
      const before = await apply('--dry-run');
      assert.equal(before.code, 7, `a dry run of a new tenant shows what there is to do: ${before.err}`);
      const applied = await apply('--yes');
      assert.equal(applied.code, 0, applied.err);
      const after = await apply('--dry-run');
      assert.deepEqual(
        [after.code, after.out],
        [0, 'Nothing to do: the tenant matches the file.\nNothing was written.\n'],
      );
      await answersAre(tenant, answers);
    });
  }
});

test('the rule on posture matches once the device reports an encrypted disk', async (t) => {
  const tenant = await (await startController(t)).tenant('posture');
  const applied = await tenant.run(['apply', '-f', join(folder, 'contractors.yaml'), '--yes']);
  assert.equal(applied.code, 0, applied.err);
  await answersAre(tenant, [['gita@example.com', '10.40.20.5:6443', night, 'denied']]);
  await tenant.ok('devices', 'update', 'device of gita@example.com', '--posture', 'diskEncrypted=true');
  assert.match(
    await tenant.ok('access', 'explain', '--user', 'gita@example.com', '10.40.20.5:6443', '--at', night),
    /→ 10\.40\.20\.5 TCP 6443: allowed/,
  );
});

async function answersAre(tenant: RealTenant, answers: readonly Claim[]): Promise<void> {
  for (const [index, user] of [...new Set(answers.map(([user]) => user))].entries()) {
    const key = Buffer.alloc(32, index + 1).toString('base64');
    await tenant.ok('devices', 'add', `device of ${user}`, '--public-key', key, '--owner', user);
  }
  for (const [user, destination, at, verdict] of answers) {
    const out = await tenant.ok('access', 'explain', '--user', user, destination, '--at', at);
    const words = `→ ${destination.replace(':', ' TCP ')}: ${verdict}`;
    assert.ok(out.includes(words), `${user} ${destination} ${at}: ${words}\n${out}`);
  }
}
