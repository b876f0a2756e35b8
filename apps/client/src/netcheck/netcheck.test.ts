import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { beaconItem } from '@sallyport/agent-core/testing';
import { parseRoutes4, parseRoutes6 } from '@sallyport/agent-runtime';
import type { Mapping } from '@sallyport/contract/channel';
import type { Netcheck } from '@sallyport/contract/local';
import { LocalReply } from '@sallyport/contract/local';
import { netcheckText } from '../commands/tell.ts';
import { adviceOn } from './advice.ts';
import { askController, httpUrl, skewOf } from './controller.ts';
import { netcheck } from './netcheck.ts';

const well: Omit<Netcheck, 'advice'> = {
  type: 'netcheck',
  controller: { url: 'u', connected: true, rttMs: 1, detail: '', clockSkewMs: 0 },
  relays: [{ gateway: 'g', name: 'g', endpoint: '192.0.2.1:1', rttMs: 3 }],
  beacons: [{ endpoint: '192.0.2.10:51818', answers: true }],
  nat: { kind: 'none', endpoint: '192.0.2.9:51820' },
  ipv4: true,
  ipv6: false,
  uplink: { interface: 'eth0', mtu: 1500, source: null },
  tunnelMtu: 1280,
  wireguard: 'kernel',
};

test('advice appears only for problems', () => {
  assert.deepEqual(adviceOn(well), []);
  const about = (over: Partial<typeof well>) => adviceOn({ ...well, ...over }).join('\n');
  assert.match(about({ controller: { ...well.controller, rttMs: null } }), /controller cannot be reached/);
  assert.match(about({ controller: { ...well.controller, connected: false } }), /daemon is not connected/);
  assert.match(about({ controller: { ...well.controller, clockSkewMs: -90_000 } }), /90 s behind/);
  assert.match(about({ relays: [{ gateway: 'g', name: null, endpoint: 'e', rttMs: null }] }), /blocks UDP/);
  assert.match(about({ beacons: [{ endpoint: 'e', answers: false }] }), /No beacon of the controller answers/);
  assert.match(about({ uplink: { interface: 'ppp0', mtu: 1300, source: null } }), /do not fit .* ppp0 \(1300\)/);
  assert.match(about({ ipv4: false }), /no address on a network/);
});

test('default routes parse from the kernel’s output', () => {
  const v4 = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
  ].join('\n');
  assert.deepEqual(parseRoutes4(v4), [{ family: 4, interface: 'eth0', via: '010200C0', metric: 100 }]);
  const zero = '0'.repeat(32);
  const v6 = [
    `${zero} 00 ${zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0`,
    `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo`,
    `fe800000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     eth0`,
  ].join('\n');
  assert.deepEqual(
    parseRoutes6(v6).map((route) => [route.interface, route.metric]),
    [['eth0', 1024]],
  );
});

test('the check of the controller also reads its time', async (t) => {
  const server = createServer((_, response) => {
    response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
    response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const answer = await askController(`http://127.0.0.1:${port}`);
  assert.ok(answer.rttMs !== null && answer.rttMs >= 0);
  assert.ok(Math.abs((answer.clockSkewMs ?? 0) - 3_600_000) < 5_000);
  const whole = await netcheck({
    ...{ controller: `ws://127.0.0.1:${port}`, connected: false, items: new Map(), interface: '', wireguard: null },
    ...{ handshakes: async () => new Map(), sighting: null },
  });
  assert.ok(LocalReply.safeParse(whole).success);
  const nobody = await askController('http://127.0.0.1:9');
  assert.equal(nobody.rttMs, null);
});

test('a beacon counts as answering after a recent WireGuard handshake', async () => {
  const beacons = [beaconItem(1), beaconItem(2), beaconItem(3), beaconItem(4, null)];
  const check = await netcheck({
    ...{ controller: 'ftp://x', connected: false, sighting: null, interface: '', wireguard: null },
    items: new Map(beacons.map((item) => [item.key, item])),
    handshakes: async () =>
      new Map([
        [beaconItem(1).publicKey, Date.now() - 1_000],
        [beaconItem(2).publicKey, Date.now() - 3_600_000],
        [beaconItem(3).publicKey, null],
      ]),
  });
  assert.deepEqual(
    check.beacons.map(({ endpoint, answers }) => [endpoint, answers]),
    [
      ['203.0.113.1:51819', true],
      ['203.0.113.1:51820', false],
      ['203.0.113.1:51821', false],
    ],
  );
  assert.match(
    netcheckText(check),
    /^beacon +203\.0\.113\.1:51819: answers\nbeacon +203\.0\.113\.1:51820: no answer$/m,
  );
});

test('the kind of NAT is described, and an answering beacon is not blocked', async () => {
  const item = beaconItem(1);
  const check = (mapping: Mapping, handshake: number | null, liveMs = 60_000) =>
    netcheck({
      ...{ controller: 'ftp://x', connected: true, interface: '', wireguard: null, sighting: { mapping, liveMs } },
      ...{ items: new Map([[item.key, item]]), handshakes: async () => new Map([[item.publicKey, handshake]]) },
    });
  const line = async (...facts: Parameters<typeof check>) => {
    const reply = await check(...facts);
    assert.ok(LocalReply.safeParse(reply).success);
    return /^NAT +(.*)$/m.exec(netcheckText(reply))?.[1];
  };
  const independent = { kind: 'independent', endpoint: '203.0.113.60:4711' } as const;
  const now = Date.now();
  assert.match((await line(independent, now)) ?? '', /^endpoint-independent mapping, seen as 203\.0\.113\.60:4711/);
  assert.match((await line({ kind: 'dependent' }, now)) ?? '', /^endpoint-dependent mapping: .* relay/);
  assert.match((await line({ kind: 'undecided' }, null)) ?? '', /^UDP blocked/);
  assert.equal(await line({ kind: 'undecided' }, null, 1_000), 'not known yet');
  assert.equal(await line({ kind: 'undecided' }, now), 'not known yet');
  const apart = await netcheck({
    ...{ controller: 'ftp://x', connected: false, interface: '', wireguard: null, sighting: null },
    ...{ items: new Map(), handshakes: async () => new Map() },
  });
  assert.match(netcheckText(apart), /^NAT +unknown: not connected/m);
});

test('a newly connected device waits for the first answer of a beacon', async () => {
  const item = beaconItem(1);
  let reads = 0;
  const check = await netcheck({
    ...{ controller: 'ftp://x', connected: true, interface: '', wireguard: null },
    ...{ sighting: { mapping: { kind: 'undecided' }, liveMs: 1_000 }, items: new Map([[item.key, item]]) },
    handshakes: async () => new Map([[item.publicKey, ++reads < 3 ? null : Date.now()]]),
  });
  assert.deepEqual([check.beacons.map(({ answers }) => answers), reads], [[true], 3]);
  assert.ok(!check.advice.some((line) => line.includes('beacon')), check.advice.join('\n'));
});

test('addresses and times parse in every form', () => {
  assert.equal(httpUrl('vpn.example')?.href, 'https://vpn.example/');
  assert.equal(httpUrl('wss://vpn.example:8443/x')?.href, 'https://vpn.example:8443/');
  assert.equal(httpUrl('ftp://x'), null);
  const date = 'Mon, 23 Nov 2026 12:00:00 GMT';
  assert.equal(skewOf(date, Date.parse(date) + 900), 0);
  assert.equal(skewOf(date, Date.parse(date) + 60_000), 60_000);
  assert.equal(skewOf('nonsense', 0), null);
  assert.equal(skewOf(null, 0), null);
});
