import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NameItem } from '@sallyport/contract/channel';
import { until } from '@sallyport/testkit';
import { Resolver } from './resolver.ts';
import { Translation } from './translation.ts';

test('changes are taken once, and a load takes all', () => {
  const translation = new Translation();
  assert.equal(translation.takeChanges(), undefined);
  translation.present = true;
  assert.deepEqual(translation.takeChanges(), new Map(), 'names without real addresses');
  translation.set('100.96.0.1', '10.0.0.1');
  translation.set('100.96.0.2', '10.0.0.2');
  assert.deepEqual(
    translation.takeAll(),
    new Map(Object.entries({ '100.96.0.1': '10.0.0.1', '100.96.0.2': '10.0.0.2' })),
  );
  assert.equal(translation.takeChanges(), undefined);
  translation.set('100.96.0.1', '10.0.0.1');
  assert.equal(translation.takeChanges(), undefined, 'the same address is no change');
  translation.set('100.96.0.1', '10.0.0.3');
  translation.set('100.96.0.2', null);
  assert.deepEqual(
    translation.takeChanges(),
    new Map(Object.entries({ '100.96.0.1': '10.0.0.3', '100.96.0.2': null })),
  );
  translation.present = false;
  assert.equal(translation.takeChanges(), null);
  assert.equal(translation.takeAll(), null);
});

test('a change of one name of many looks at that name alone', async (t) => {
  let looks = 0;
  let answer = '10.0.0.1';
  const item = (n: number): NameItem => ({
    ...{ kind: 'name', key: `name/n${n}`, id: `n${n}`, resources: [] },
    get addresses() {
      looks += 1;
      return [`100.96.${n >> 8}.${n & 255}`];
    },
  });
  const options = {
    ask: async (_name: string, type: string) => ({ addresses: type === 'A' ? [answer] : [], reason: null, ttl: 300 }),
    isForbidden: () => false,
    now: () => 1_000_000,
    changed: () => {},
  };
  const resolver = new Resolver(options, new Map());
  t.after(() => resolver.stop());
  resolver.expect(Array.from({ length: 500 }, (_, n) => item(n)));
  await until('all names', () => resolver.translation?.size === 500);
  resolver.changes.takeAll();
  looks = 0;
  answer = '10.0.0.2';
  resolver.change([item(500)], []);
  await until('the new name', () => resolver.translation?.size === 501);
  resolver.change([], ['n7']);
  const expected = { '100.96.1.244': '10.0.0.2', '100.96.0.7': null };
  assert.deepEqual(resolver.changes.takeChanges(), new Map(Object.entries(expected)));
  assert.ok(looks <= 5, `the addresses of a name were read ${looks} times`);
});

test('an address that moves to another name belongs to that one, in whatever order the names come', async (t) => {
  const item = (id: string, virtual: string): NameItem => ({
    ...{ kind: 'name', key: `name/${id}`, id, addresses: [virtual], resources: [] },
  });
  const real = (name: string) => (name === 'wiki' ? '10.0.0.1' : '10.0.0.2');
  const options = {
    ask: async (name: string, type: string) => ({
      addresses: type === 'A' ? [real(name)] : [],
      reason: null,
      ttl: 300,
    }),
    isForbidden: () => false,
    now: () => 1_000_000,
    changed: () => {},
  };
  const resolver = new Resolver(options, new Map());
  t.after(() => resolver.stop());
  resolver.expect([item('wiki', '100.96.0.1'), item('docs', '100.96.0.2')]);
  await until('both names', () => resolver.translation?.size === 2);
  resolver.change([item('docs', '100.96.0.1'), item('wiki', '100.96.0.2')], []);
  assert.deepEqual(
    resolver.translation,
    new Map(Object.entries({ '100.96.0.1': '10.0.0.2', '100.96.0.2': '10.0.0.1' })),
  );
  resolver.change([item('docs', '100.96.0.2')], ['wiki']);
  assert.deepEqual(resolver.translation, new Map([['100.96.0.2', '10.0.0.2']]));
});
