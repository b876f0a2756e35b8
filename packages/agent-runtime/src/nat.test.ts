import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beaconItem } from '@sallyport/agent-core/testing';
import type { Mapping } from '@sallyport/contract/channel';
import { natOf } from './nat.ts';

const beacon = beaconItem(1);
const items = new Map([[beacon.key, beacon]]);
const own = new Set(['192.0.2.9', '2001:db8::9']);
const kindOf = (mapping: Mapping, liveMs: number, known = items) => natOf({ mapping, liveMs }, known, own).kind;

test('a host with its own public address is not behind a NAT', () => {
  assert.equal(kindOf({ kind: 'independent', endpoint: '192.0.2.9:51820' }, 0), 'none');
  assert.equal(kindOf({ kind: 'independent', endpoint: '[2001:db8::9]:51820' }, 0), 'none');
  assert.equal(kindOf({ kind: 'independent', endpoint: '192.0.2.99:51820' }, 0), 'independent');
  assert.equal(kindOf({ kind: 'dependent' }, 0), 'dependent');
});

test('UDP counts as blocked when no beacon hears the host in time', () => {
  assert.equal(kindOf({ kind: 'undecided' }, 39_999), 'unknown');
  assert.equal(kindOf({ kind: 'undecided' }, 40_000), 'blocked');
  const silent = beaconItem(1, null);
  assert.equal(kindOf({ kind: 'undecided' }, 40_000, new Map([[silent.key, silent]])), 'unknown');
  assert.equal(natOf(null, items, own).kind, 'unknown');
});
