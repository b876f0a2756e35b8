import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gatewayStatus } from '../commands/status.ts';

test('a status file that no agent of ours wrote is not believed, and breaks nothing', async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'sallyport-status-'));
  t.after(() => rm(stateDir, { recursive: true }));
  const good = {
    ...{ pid: 1, updatedAt: '2026-11-29T12:00:00.000Z', phase: 'live', failure: null, intent: null, devices: 0 },
    ...{ applied: { revision: { epoch: 'e', number: 1 }, hash: '0' }, leaseUntil: null },
  };
  const shown = async (status: unknown) => {
    await writeFile(join(stateDir, 'status.json'), JSON.stringify(status));
    return JSON.parse((await gatewayStatus({ stateDir, json: true, interface: 'sp0' })).text);
  };
  assert.equal((await shown({ ...good, later: 'field' })).phase, 'live');
  assert.equal((await shown({ ...good, later: 'field' })).later, undefined);
  const bad = [
    { ...good, applied: 'nothing' },
    { ...good, failure: { code: 7 } },
    { ...good, phase: 'x'.repeat(1_000_000) },
    { ...good, leaseUntil: 'x' },
    [good],
    'text',
  ];
  for (const status of bad) assert.equal((await shown(status)).phase, undefined);
});
