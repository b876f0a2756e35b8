import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  emptyStateHash,
  formatEnrolmentToken,
  maskEnrolmentToken,
  Posture,
  parseEnrolmentToken,
  StateHash,
  StateItem,
} from './index.ts';

const device = (n: number, expiresAt: number | null = null): StateItem => ({
  kind: 'device',
  key: `device/${n}`,
  id: String(n),
  publicKey: `${'A'.repeat(43)}=`,
  addresses: [`100.64.0.${n % 250}`],
  via: null,
  relay: null,
  profile: 'p',
  expiresAt,
});

test('the state hash does not depend on order, and removing items restores it', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1000), { maxLength: 20 }), (numbers) => {
      const items = numbers.map((n) => device(n));
      const hash = StateHash.of(items);
      assert.equal(hash.toString(), StateHash.of([...items].reverse()).toString());
      for (const item of items) hash.remove(item);
      assert.equal(hash.toString(), emptyStateHash);
    }),
  );
});

test('a renewed expiry does not change the state hash, a different profile does', () => {
  assert.equal(StateHash.of([device(1, 5)]).toString(), StateHash.of([device(1, 6)]).toString());
  assert.notEqual(
    StateHash.of([device(1)]).toString(),
    StateHash.of([{ ...device(1), profile: 'q' } as StateItem]).toString(),
  );
});

test('the target of a route is not part of the hash, and must be a port', () => {
  const id = '10.0.0.1/32';
  const route = (target?: number) =>
    StateItem.safeParse({
      ...{ kind: 'route', key: `route/${id}`, id, mode: 'MANUAL', gateways: [], resources: [] },
      ...(target !== undefined && { target }),
    }).data;
  const hashOf = (item: StateItem | undefined) => StateHash.of(item === undefined ? [] : [item]).toString();
  assert.equal(hashOf(route(443)), hashOf(route()));
  assert.notEqual(hashOf(route(443)), emptyStateHash);
  for (const port of [0, -1, 1.5, 65_536]) assert.equal(route(port), undefined);
});

test('the total size of posture facts is bounded', () => {
  const facts = (count: number, length: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`fact${i}`, 'x'.repeat(length)]));
  const taken = (given: object) => Posture.safeParse({ type: 'posture', facts: given }).success;
  assert.deepEqual([taken(facts(100, 60)), taken(facts(1, 1000)), taken(facts(8, 1000))], [true, true, true]);
  assert.deepEqual([taken(facts(101, 1)), taken(facts(1, 1001)), taken(facts(9, 1000))], [false, false, false]);
});

test('a token identifies its gateway and the controller, and its mask hides the secret', () => {
  const token = {
    role: 'gateway' as const,
    agent: '123e4567-e89b-12d3-a456-426614174000',
    secret: 's'.repeat(43),
    controllerFingerprint: 'f'.repeat(22),
  };
  const text = formatEnrolmentToken(token);
  assert.deepEqual(parseEnrolmentToken(`${text}\n`, 'gateway'), token);
  assert.ok(!maskEnrolmentToken(text).includes('s'.repeat(4)));
  for (const bad of ['', 'sgw_', text.slice(1), `${text}x`, text.replace('sgw_', 'sgx_')])
    assert.equal(parseEnrolmentToken(bad, 'gateway'), null);
});
