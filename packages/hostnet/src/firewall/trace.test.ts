import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TraceReader } from './trace.ts';

/** Lines as nft 1.0.6 prints them. */
const probe =
  'trace id 303e0bf5 inet sallyport_sp0_trace probe packet: iif "sp0" ip saddr 100.127.255.255 tcp dport 80';
const marked =
  'trace id 303e0bf5 inet sallyport_sp0_trace probe rule iifname "sp0" meta nftrace set 1 (verdict continue)';

test('the rule that drops a probe is found, with the chain at the hook that led there', () => {
  const reader = new TraceReader('sp0');
  const lines = [
    probe,
    marked,
    // A traced packet shows every chain on its way.
    'trace id 303e0bf5 inet sallyport_sp0_trace answer packet: iif "sp0" ip saddr 100.127.255.255 ',
    'trace id 303e0bf5 inet sallyport_sp0_trace answer policy accept ',
    'trace id 303e0bf5 ip filter INPUT packet: iif "sp0" ip saddr 100.127.255.255 ',
    'trace id 303e0bf5 ip filter INPUT rule jump ts-input (verdict jump ts-input)',
  ];
  for (const line of lines) assert.equal(reader.line(line), null);
  const last =
    'trace id 303e0bf5 ip filter ts-input rule ip saddr 100.64.0.0/10 counter packets 3 bytes 9 drop (verdict drop)';
  assert.deepEqual(reader.line(last), {
    of: 'probe',
    family: 'ip',
    table: 'filter',
    chain: 'ts-input',
    base: 'INPUT',
    rule: 'ip saddr 100.64.0.0/10 counter drop',
  });
});

test('a policy that drops an answer is found', () => {
  const reader = new TraceReader('sp0');
  reader.line('trace id 1 inet sallyport_sp0_trace answer packet: iif "lan0" ip saddr 10.9.0.10');
  reader.line('trace id 1 inet foreign forward packet: iif "lan0" ');
  const drop = reader.line('trace id 1 inet foreign forward policy drop ');
  assert.deepEqual([drop?.of, drop?.base, drop?.rule], ['answer', 'forward', null]);
});

test('traces of other packets and verdicts of our own table are not reported', () => {
  const reader = new TraceReader('sp0');
  assert.equal(reader.line('trace id 5 inet foreign forward policy drop '), null);
  reader.line(probe);
  assert.equal(reader.line('trace id 303e0bf5 inet sallyport_sp0 from_tunnel_a rule drop (verdict drop)'), null);
  assert.equal(reader.line('trace id 303e0bf5 ip filter INPUT policy accept '), null);
  assert.equal(reader.line('no trace at all'), null);
});
