import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { mayClose } from './closing.ts';

const cell = (name: string, expiresAt: number | null = null) => ({ class: name, bundle: 'b', expiresAt });
const profile = (...cells: ReturnType<typeof cell>[]) =>
  ({ kind: 'profile', key: 'profile/p', id: 'p', cells }) as unknown as StateItem;
const probe: StateItem = { kind: 'probe', key: 'probe/p' } as unknown as StateItem;
const device = (profileId: string) => ({ kind: 'device', key: 'device/d', profile: profileId }) as unknown as StateItem;

test('a gateway may have to close something unless a profile keeps all of its cells', () => {
  assert.equal(mayClose(profile(cell('a')), profile(cell('a'), cell('b'))), false, 'a cell more');
  assert.equal(mayClose(profile(cell('a'), cell('b')), profile(cell('a'))), true, 'a cell fewer');
  assert.equal(mayClose(profile(cell('a')), profile(cell('a', 5))), true, 'a cell that expires now');
  assert.equal(mayClose(profile(cell('a')), undefined), true, 'no profile');
  assert.equal(mayClose(device('p'), device('q')), true, 'another profile');
  assert.equal(mayClose(device('p'), undefined), true, 'no device');
  assert.equal(mayClose(probe, undefined), false, 'a probe admits nothing');
});
