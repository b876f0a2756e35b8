import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControllerProcess, testFolder } from './testing/controller-process.ts';

/** Creates gateways over several connections until one fails; returns the ids that were acknowledged. */
async function writeUntilItDies(url: string, key: string, writers: number, onAcknowledged: (count: number) => void) {
  const acknowledged: string[] = [];
  const writer = async (): Promise<void> => {
    for (;;) {
      const body = JSON.stringify({ name: 'x', wireguardPort: '51820' });
      const headers = { apikey: key, 'content-type': 'application/json' };
      const answer = await fetch(`${url}/tenants/gateways`, { method: 'POST', headers, body });
      const { id } = (await answer.json()) as { id: string };
      assert.equal(answer.status, 201);
      acknowledged.push(id);
      onAcknowledged(acknowledged.length);
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: writers }, writer));
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof TypeError, String(outcome.reason));
  return acknowledged;
}

test('kill -9 in the middle of writing loses nothing that was acknowledged', async (t) => {
  const dataDir = testFolder(t);
  const key = 'k'.repeat(40);
  const env = { SALLYPORT_BOOTSTRAP_API_KEY: key };
  const all: string[] = [];
  for (const killAfter of [5, 60, 150]) {
    const controller = await ControllerProcess.start(t, dataDir, [], env);
    let killed = false;
    const acknowledged = await writeUntilItDies(controller.url, key, 8, (count) => {
      if (count < killAfter || killed) return;
      killed = true;
      void controller.kill('SIGKILL');
    });
    assert.ok(acknowledged.length >= killAfter);
    all.push(...acknowledged);
  }
  const controller = await ControllerProcess.start(t, dataDir, [], env);
  const answer = await fetch(`${controller.url}/tenants/gateways`, { headers: { apikey: key } });
  const found = new Set(((await answer.json()) as { id: string }[]).map(({ id }) => id));
  assert.deepEqual(
    all.filter((id) => !found.has(id)),
    [],
  );
  assert.equal(await controller.kill('SIGTERM'), 0);
});
