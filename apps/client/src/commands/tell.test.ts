import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientStatus, Netcheck, PingReply } from '@sallyport/contract/local';
import { lastComplaint, lastFailure } from './log-tail.ts';
import { netcheckText, pingText, reachableText } from './tell.ts';

test('a ping reports the gateway, the path, and both round-trip times', () => {
  const reply: PingReply = {
    type: 'ping',
    target: 'wiki',
    address: '10.0.0.1',
    gateway: { id: 'g', name: 'berlin' },
    path: 'direct',
    relay: null,
    gatewayRttMs: 3,
    rttMs: 4,
    detail: 'TCP port 80 answers',
  };
  assert.equal(
    pingText(reply),
    'wiki (10.0.0.1) through berlin, direct: gateway 3 ms, target 4 ms (TCP port 80 answers)\n',
  );
  const relayed = { ...reply, path: 'relayed' as const, relay: { id: 'r', name: 'paris' } };
  assert.match(pingText(relayed), /through berlin, relayed by paris:/);
  const gateway = { ...reply, target: 'berlin', address: '100.64.0.1', rttMs: null, detail: 'the gateway answers' };
  assert.equal(pingText(gateway), 'berlin (100.64.0.1), direct: 3 ms\n');
  const local = { ...reply, target: '10.0.0.1', gateway: null, path: 'local' as const, gatewayRttMs: null };
  assert.match(pingText(local), /^10\.0\.0\.1 is outside of the tunnel: 4 ms/);
});

test('the reason for a daemon’s end is the last failure in its log since its start', () => {
  const old = `${JSON.stringify({ level: 'error', message: 'old' })}\n`;
  const line = (level: string, message: string, reason?: string) => `${JSON.stringify({ level, message, reason })}\n`;
  const since = lastFailure(old.length);
  assert.equal(
    since(`${old}${line('info', 'starting')}${line('error', 'refused', 'Used already.')}${line('info', 'x')}`),
    'refused: Used already.',
  );
  assert.equal(since(`${old}sally: --controller URL is missing\n`), '--controller URL is missing');
  assert.equal(since(old), 'the daemon ended without a message');
  const complaint = lastComplaint(old.length);
  assert.equal(complaint(`${old}${line('warn', 'no way', 'It is far.')}${line('info', 'x')}`), 'no way: It is far.');
  assert.equal(complaint(`${old}${line('info', 'x')}`), null);
});

test('foreign names and reasons start no line and control no terminal', () => {
  const hostile = 'x\u001b[2J\nINJECTED\u009b31m\u202e\u200b\u2028';
  const reply: PingReply = {
    ...{ type: 'ping', target: hostile, address: null, gateway: { id: 'g', name: hostile }, path: 'direct' },
    ...{ relay: null, gatewayRttMs: 3, rttMs: 4, detail: hostile },
  };
  const gateway: ClientStatus['gateways'][number] = {
    ...{ id: 'g', name: hostile, addresses: [], standing: 'ACTIVE', path: 'relayed', endpoint: null, rttMs: null },
    ...{ relay: { id: 'r', name: hostile }, lastHandshake: null, rxBytes: 0, txBytes: 0 },
  };
  const status: Pick<ClientStatus, 'gateways' | 'routes' | 'resources'> = {
    gateways: [gateway],
    routes: [{ prefix: '10.0.0.1', mode: 'MANUAL', gateways: [], carrier: 'g', why: hostile }],
    resources: [
      { id: '1', name: hostile, denied: null, routes: ['10.0.0.1'] },
      { id: '2', name: hostile, denied: hostile, routes: [] },
    ],
  };
  const check: Netcheck = {
    ...{
      type: 'netcheck',
      nat: { kind: 'dependent', endpoint: null },
      ipv4: true,
      ipv6: true,
      uplink: null,
      tunnelMtu: null,
      wireguard: null,
      beacons: [],
    },
    controller: { url: hostile, connected: true, rttMs: 1, detail: hostile, clockSkewMs: 0 },
    relays: [{ gateway: 'g', name: hostile, endpoint: hostile, rttMs: null }],
    advice: [hostile],
  };
  for (const text of [pingText(reply), reachableText(status as ClientStatus), netcheckText(check)]) {
    assert.match(text, /INJECTED/);
    for (const line of text.split('\n')) {
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.doesNotMatch(line, /^\s*INJECTED/);
    }
  }
});
