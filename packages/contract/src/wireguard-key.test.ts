import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { isWireguardKey, wireguardKeyForm } from './wireguard-key.ts';

const privateKey = () =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), randomBytes(32)]),
    format: 'der',
    type: 'pkcs8',
  });
const publicText = () =>
  createPublicKey(privateKey()).export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');

/** Encodes a number in 32 bytes, little-endian. */
const keyOf = (value: bigint): string =>
  Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse().toString('base64');

/** Returns the shared secret, or null if it is zero. */
function sharedWith(key: string): Buffer | null {
  try {
    const x = Buffer.from(key, 'base64').toString('base64url');
    const shared = diffieHellman({
      privateKey: privateKey(),
      publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' }),
    });
    return shared.every((byte) => byte === 0) ? null : shared;
  } catch {
    return null;
  }
}

const prime = 2n ** 255n - 19n;

test('public keys of private keys are accepted and give a secret', () => {
  for (let nth = 0; nth < 200; nth++) {
    const key = publicText();
    assert.ok(isWireguardKey(key), key);
    assert.ok(sharedWith(key) !== null);
  }
});

test('points of low order are rejected in every encoding', () => {
  const points = [
    0n,
    1n,
    prime - 1n,
    prime,
    prime + 1n,
    BigInt(
      `0x${Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex').reverse().toString('hex')}`,
    ),
    BigInt(
      `0x${Buffer.from('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157', 'hex').reverse().toString('hex')}`,
    ),
  ];
  for (const point of points)
    for (const spelling of [point, point + 2n ** 255n]) {
      const key = keyOf(spelling);
      assert.equal(sharedWith(key), null, `${key} is a point of low order`);
      assert.equal(isWireguardKey(key), false, key);
    }
});

test('a key has one encoding', () => {
  const key = publicText();
  const value = BigInt(`0x${Buffer.from(key, 'base64').reverse().toString('hex')}`);
  assert.equal(isWireguardKey(keyOf(value + 2n ** 255n)), false, 'X25519 ignores the top bit');
  assert.equal(isWireguardKey(keyOf(prime + 9n)), false, 'the same as 9');
  assert.ok(isWireguardKey(keyOf(9n)));
  for (const text of ['', key.slice(1), `${key}=`, key.replace(/.=$/, 'B='), `${key}\n`, 'x'.repeat(44)])
    assert.equal(isWireguardKey(text), false, JSON.stringify(text));
  assert.ok(wireguardKeyForm.test(key));
});
