// A controller whose clock is wrong, and is set while it runs. Run by npm run test:replicas. Needs libfaketime.
import assert from 'node:assert/strict';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@sallyport/testkit';
import { testFolder } from '../../../apps/controller/src/testing/controller-process.ts';
import { BadDays, Resident } from '../bad-days.ts';

const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
const skip = library === undefined ? 'libfaketime is missing: apt-get install faketime' : false;
/** Longer than the lease of a controller. */
const longMs = 8_000;
const minuteMs = 60_000;

test('a controller with a wrong clock keeps the time of the database, and is not ready beyond half a second', {
  skip,
}, async (t) => {
  const file = join(testFolder(t), 'offset');
  const set = (seconds: string) => writeFileSync(file, seconds);
  set('+0.4');
  const fake = {
    LD_PRELOAD: library ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const days = await BadDays.start(t, (name): Record<string, string> => (name === 'one' ? fake : {}));
  const [wrong, right] = days.members;
  const residents: Resident[] = [];
  for (let n = 0; n < 3; n++) residents.push(await Resident.start(days.members, 0, `resident ${n}`));
  t.after(() => Promise.all(residents.map((resident) => resident.end())));
  await until('400 ms are no trouble', () => wrong.isReady());
  for (const [n, seconds] of ['+0.7', '+3600', '-3600', '+86400'].entries()) {
    set(seconds);
    await until('it is not ready', async () => !(await wrong.isReady()));
    const { json } = await wrong.ask('GET', '/readyz');
    assert.match(json.detail, /^The clock of this machine differs by \d+ ms from the one of the database$/);
    assert.equal(await right.isReady(), true);
    const made = await wrong.ask('POST', '/tenants/gateways', { name: `made ${n}`, wireguardPort: '51820' });
    assert.equal(made.status, 201);
    assert.ok(
      Math.abs(Date.parse(made.json.createdAt) - Date.now()) < minuteMs,
      'stored with the time of the database',
    );
    await sleep(longMs);
    for (const { id, name } of residents) {
      const shown = await right.ask('GET', `/tenants/gateways/${id}`);
      assert.equal(shown.json.status, 'ONLINE', `${name} counts as connected: ${JSON.stringify(shown.json)}`);
      const changed = await right.ask('PATCH', `/tenants/gateways/${id}`, { name, wireguardPort: `${43_000 + n}` });
      assert.equal(changed.status, 200);
    }
    await until('the change arrives', () => residents.every((one) => one.wireguardPort.includes(`${43_000 + n}`)));
    for (const { signed, at, sentAway } of residents) {
      assert.deepEqual([at, sentAway], [0, []], 'agents stay');
      const { issuedAt = 0, leaseUntil = 0 } = signed.at(-1)?.statement ?? {};
      assert.ok(Math.abs(issuedAt - Date.now()) < minuteMs, 'signed with the time of the database');
      assert.ok(leaseUntil > Date.now());
    }
  }
  set('+0');
  await until('it is ready again', () => wrong.isReady());
  assert.doesNotMatch(wrong.process.stderr, /the database does not answer/);
});
