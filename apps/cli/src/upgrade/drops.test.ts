import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropFault, droppedOf, rateOf } from './drops.ts';

const counter = (table: string, name: string, packets: number) => ({
  counter: { family: 'inet', table, name, handle: 1, packets, bytes: 0 },
});

test('only drops of our own tables count', () => {
  const nftables = [
    { metainfo: { version: '1.0.9' } },
    counter('sallyport', 'drop_policy', 3),
    counter('sallyport-client', 'drop_foreign', 4),
    counter('sallyport', 'web', 100),
    counter('docker', 'drop_all', 1000),
  ];
  assert.equal(droppedOf(JSON.stringify({ nftables })), 7);
  assert.equal(droppedOf('Error: no such file'), null);
});

test('a new table counts from 0, and a missing reading gives no rate', () => {
  assert.equal(rateOf({ packets: 10, at: 0 }, { packets: 30, at: 2_000 }), 10);
  assert.equal(rateOf({ packets: 1_000, at: 0 }, { packets: 30, at: 1_000 }), 30);
  assert.equal(rateOf(null, { packets: 30, at: 2_000 }), null);
  assert.equal(rateOf({ packets: 1, at: 5 }, { packets: 2, at: 5 }), null);
});

test('many more drops than before are a fault, and stray packets are none', () => {
  assert.match(dropFault(0, 100) ?? '', /drops 100 packets a second, and the old version dropped 0/);
  assert.match(dropFault(30, 121) ?? '', /dropped 30/);
  for (const [before, now] of [
    [0, 20],
    [30, 120],
    [null, 1_000],
    [0, null],
  ] as const)
    assert.equal(dropFault(before, now), null);
});
