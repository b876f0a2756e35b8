import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireGuardError } from './errors.ts';
import { formatKey, keyFromHex, keyToHex, parseKey, presharedKeyHash, privateKeyFrom, publicKeyOf } from './keys.ts';
import { presharedKeyFor, privateKeyFor } from './testing/keys.ts';

test('the public key matches RFC 7748 section 6.1', () => {
  const alice = keyFromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
  assert.equal(keyToHex(publicKeyOf(alice)), '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
});

test('a private key is clamped and uses every other random bit', () => {
  assert.equal(keyToHex(privateKeyFrom(new Uint8Array(32).fill(0xff))), `f8${'ff'.repeat(30)}7f`);
  assert.equal(keyToHex(privateKeyFrom(new Uint8Array(32))), `${'00'.repeat(31)}40`);
  assert.throws(() => privateKeyFrom(new Uint8Array(31)), { code: 'invalid' });
});

test('keys that are not canonical base64 of 32 bytes are rejected without quoting them', () => {
  const good = privateKeyFor('a');
  const bad = [
    '',
    good.slice(1),
    `${good}\n`,
    ` ${good}`,
    good.replace(/.=$/, '/='),
    good.replace('=', 'A'),
    `${good.slice(0, 40)}-_==`,
    'A'.repeat(44),
  ];
  for (const text of bad) {
    assert.throws(
      () => parseKey(text, 'private key'),
      (error) =>
        error instanceof WireGuardError && error.code === 'invalid' && (text === '' || !error.message.includes(text)),
    );
  }
  assert.deepEqual(formatKey(parseKey(good)), good);
  assert.equal(keyFromHex(keyToHex(good)), good);
  assert.throws(() => keyFromHex('zz'.repeat(32)), { code: 'invalid' });
});

test('preshared keys are compared by a digest; all zero means none', () => {
  const hash = presharedKeyHash(presharedKeyFor('a'));
  assert.match(hash ?? '', /^[\w-]{22}$/);
  assert.notEqual(hash, presharedKeyHash(presharedKeyFor('b')));
  assert.equal(presharedKeyHash(formatKey(new Uint8Array(32))), null);
  assert.equal(presharedKeyHash(undefined), null);
});

test('a public key does not depend on the bits that clamping removes', () => {
  const random = new Uint8Array(32).fill(0xab);
  assert.equal(publicKeyOf(privateKeyFrom(random)), publicKeyOf(formatKey(random)));
});
