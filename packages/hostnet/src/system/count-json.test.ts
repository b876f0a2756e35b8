import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTraffic } from './count-json.ts';

const counter = { packets: 3, bytes: 252 };

test('a listing of nft gives the counters by range and the addresses that answered', () => {
  const listing = {
    nftables: [
      { metainfo: { version: '1.0.6' } },
      set('sent4', [
        { elem: { val: '10.0.0.7', counter } },
        { elem: { val: { prefix: { addr: '10.1.0.0', len: 16 } }, counter } },
        { elem: { val: { range: ['10.2.0.0', '10.2.0.9'] }, counter } },
      ]),
      set('servers4', [{ elem: { val: { concat: ['10.0.0.7', 443] }, timeout: 600, expires: 598 } }]),
      set('echoed6', [{ elem: { val: 'fd00::7', timeout: 600, expires: 0 } }]),
      set('somebody_elses', ['10.9.9.9']),
    ],
  };
  const { counts, answering } = readTraffic(listing);
  assert.deepEqual(
    [...(counts.get('sent4') ?? [])],
    [
      ['10.0.0.7-10.0.0.7', 3],
      ['10.1.0.0-10.1.255.255', 3],
      ['10.2.0.0-10.2.0.9', 3],
    ],
  );
  assert.deepEqual(answering, [
    { address: '10.0.0.7', port: 443, agoMs: 2_000 },
    { address: 'fd00::7', port: null, agoMs: 600_000 },
  ]);
});

test('elements of an unknown form are refused', () => {
  for (const elem of [['10.0.0.7'], [{ elem: { val: '10.0.0.7' } }], 'text']) {
    assert.throws(() => readTraffic({ nftables: [set('sent4', elem)] }), { code: 'bad-output' });
  }
  assert.throws(() => readTraffic({ nftables: [set('echoed4', ['10.0.0.7'])] }), { code: 'bad-output' });
});

function set(name: string, elem: unknown): unknown {
  return { set: { family: 'inet', table: 't', name, elem } };
}
