import assert from 'node:assert/strict';
import { test } from 'node:test';
import { present } from '../../testing/channel.ts';
import { openTestApp } from '../../testing/harness.ts';

test('test-configuration says what was found, and what was not probed', async (t) => {
  const app = await openTestApp(t);
  const { json: made } = await app.request('POST', '/tenants/gateways', {
    body: { name: 'Berlin', wireguardPort: '51820' },
  });
  const run = async () => (await app.request('POST', `/tenants/gateways/${made.id}/test-configuration`)).json;

  const away = await run();
  assert.equal(away.status, 'NOT_REACHABLE');
  assert.match(away.details, /never been deployed.*Not probed: resources, and the WireGuard port from outside/);

  app.channel.presences.set(made.id, present);
  const silent = await run();
  assert.equal(silent.status, 'ERROR');
  assert.match(silent.error, /did not answer within 10 seconds/);

  await app.parts.directory.deployed(made.id, app.clock.now);
  app.channel.probes = [];
  const fine = await run();
  assert.deepEqual([fine.status, fine.error], ['ONLINE', undefined]);
  assert.match(fine.details, /desired state is applied.*none attached.*Not probed: the WireGuard port from outside/);

  app.channel.presences.set(made.id, { ...present, converged: false, error: 'Port 51820 is taken.' });
  const failing = await run();
  assert.deepEqual([failing.status, failing.error], ['ERROR', 'Port 51820 is taken.']);
  assert.match(failing.details, /not applied yet/);
});
