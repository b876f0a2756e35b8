import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ClientStatus } from '@sallyport/contract/local';
import { startApi } from './testing/api-server.ts';
import { folder, sally } from './testing/run.ts';

const berlin = 'a0000000-0000-4000-8000-000000000001';
const device = ClientStatus.parse({
  version: '0',
  pid: 7,
  device: 'd0000000-0000-4000-8000-000000000001',
  enrolled: true,
  interface: 'sallyport1',
  wireguard: 'userspace',
  addresses: ['100.64.0.9/32'],
  controller: { url: 'https://c.example', connected: true, phase: 'live' },
  revision: 12,
  current: true,
  leaseUntil: '2026-11-24T12:00:00.000Z',
  error: null,
  notes: ['10.9.0.0/24 is also the network of eth0'],
  gateways: [
    {
      ...{ id: berlin, name: 'berlin', addresses: ['100.64.0.1'], standing: 'ACTIVE', path: 'relayed' },
      ...{ relay: { id: 'r', name: 'paris' }, endpoint: '192.0.2.1:52001', rttMs: 12.5, mtu: 1232 },
      ...{ lastHandshake: '2026-11-23T11:59:00.000Z', rxBytes: 1, txBytes: 2 },
    },
  ],
  routes: [
    { prefix: '10.20.0.10', mode: 'MANUAL', gateways: [], carrier: berlin, why: 'the first in order' },
    { prefix: '0.0.0.0/0', mode: 'MANUAL', gateways: [], carrier: null, why: 'no gateway answers' },
  ],
  resources: [
    { id: '1', name: 'wiki', denied: null, routes: ['10.20.0.10'] },
    { id: '2', name: 'payroll', denied: 'no policy allows it', routes: [] },
  ],
  names: {
    by: 'resolved',
    problem: 'Another program interferes.',
    names: [{ name: 'wiki.corp.example', addresses: ['100.96.0.1'], resources: ['1'] }],
  },
  posture: {},
});

async function daemon(t: TestContext, status: ClientStatus): Promise<string> {
  const dir = await folder(t);
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(`${JSON.stringify({ type: 'status', status })}\n`));
  });
  await new Promise<void>((resolve) => server.listen(join(dir, 'client.sock'), resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return dir;
}

test('status shows this host’s device first: carrying gateways, paths, and denials with reasons', async (t) => {
  const dir = await daemon(t, device);
  const { code, out, err } = await sally(undefined, ['status', '--state-dir', dir]);
  assert.equal(code, 0, err);
  assert.match(out, /^This device +d0000000/);
  assert.match(out, /Controller +https:\/\/c\.example: connected\n/);
  assert.match(out, /Note +10\.9\.0\.0\/24 is also/);
  assert.match(out, /Names +wiki\.corp\.example \(by systemd-resolved\)\n/);
  assert.match(out, /Note +Another program interferes\.\n/);
  assert.match(out, /wiki +10\.20\.0\.10 +berlin +relayed by paris +12\.5 ms +the first in order/);
  assert.match(out, /payroll +- +- +- +- +denied: no policy allows it/);
  assert.match(out, /\(internet\) +0\.0\.0\.0\/0 +- +- +- +no gateway answers/);
  assert.match(out, /berlin +relayed by paris +12\.5 ms +1232 +2026-11-23 11:59:00Z +192\.0\.2\.1:52001 +yes/);
});

test('status adds the controller when an API key is known, and JSON holds both in one object', async (t) => {
  const dir = await daemon(t, device);
  const api = await startApi(t);
  const { out } = await sally(api, ['status', '--state-dir', dir]);
  assert.match(out, /^This device[\s\S]*Controller +http[^\n]*: ready\n[\s\S]*Gateways +2/);
  const both = JSON.parse((await sally(api, ['status', '--state-dir', dir, '--json'])).out);
  assert.deepEqual([both.device, both.ready, both.counts.gateways], [device, true, 2]);
  const alone = JSON.parse((await sally(undefined, ['status', '--state-dir', dir, '--json'])).out);
  assert.deepEqual(alone, { device });
});

test('status exits with code 1 when the device has a problem or its daemon is gone', async (t) => {
  const failing = await daemon(t, { ...device, error: { code: 'no-tun', message: 'There is no /dev/net/tun.' } });
  const failed = await sally(undefined, ['status', '--state-dir', failing]);
  assert.equal(failed.code, 1);
  assert.match(failed.out, /Error +There is no \/dev\/net\/tun\./);
  const dir = await folder(t);
  await writeFile(join(dir, 'status.json'), JSON.stringify(device));
  const gone = await sally(undefined, ['status', '--state-dir', dir]);
  assert.equal(gone.code, 1);
  assert.match(gone.out, /Daemon +not running/);
  assert.match(gone.out, /not connected \(stopped\)/);
});
