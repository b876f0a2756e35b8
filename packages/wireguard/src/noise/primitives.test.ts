import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hChaCha20, open, seal, xOpen, xSeal } from './aead.ts';
import { blake2s } from './blake2s.ts';
import { hmac, kdf1, kdf2, kdf3, mac } from './hash.ts';
import { ReplayWindow, WINDOW } from './replay-window.ts';
import { tai64n } from './tai64n.ts';
import { agree, keyPairOf, publicKeyObject } from './x25519.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const show = (bytes: Uint8Array | null): string => (bytes === null ? 'null' : Buffer.from(bytes).toString('hex'));
const count = (length: number, from = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i);

test('BLAKE2s matches RFC 7693 appendix B and the published keyed vectors', () => {
  assert.equal(show(blake2s(Buffer.from('abc'))), '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982');
  const keyed = {
    0: '48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49',
    1: '40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1',
  };
  for (const [length, digest] of Object.entries(keyed)) {
    assert.equal(show(blake2s(count(Number(length)), 32, count(32))), digest);
  }
});

test('BLAKE2s passes the grand self-test of RFC 7693 appendix E: four output lengths, six input lengths, with and without key', () => {
  const sequence = (length: number, seed: number): Uint8Array => {
    let [a, b] = [Math.imul(0xdead4bad, seed), 1];
    return Uint8Array.from({ length }, () => {
      [a, b] = [b, (a + b) | 0];
      return b >>> 24;
    });
  };
  const grand = createHash('blake2s256');
  for (const output of [16, 20, 28, 32]) {
    for (const input of [0, 3, 64, 65, 255, 1024]) {
      const data = sequence(input, input);
      grand.update(blake2s(data, output)).update(blake2s(data, output, sequence(output, output)));
    }
  }
  assert.equal(grand.digest('hex'), '6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe');
});

test('BLAKE2s without a key agrees with node:crypto for any input', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (data) => {
      assert.equal(show(blake2s(data)), createHash('blake2s256').update(data).digest('hex'));
    }),
  );
});

test('the keys of KDF1 to KDF3 are the chain of HMACs that the paper defines', () => {
  const [key, material] = [count(32), count(20, 7)];
  const secret = hmac(key, material);
  const first = hmac(secret, Uint8Array.of(1));
  const second = hmac(secret, first, Uint8Array.of(2));
  const third = hmac(secret, second, Uint8Array.of(3));
  assert.equal(show(kdf1(key, material)), show(first));
  assert.deepEqual(kdf2(key, material).map(show), [first, second].map(show));
  assert.deepEqual(kdf3(key, material).map(show), [first, second, third].map(show));
  assert.equal(mac(key, material).length, 16);
});

test('HMAC agrees with node:crypto', () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes, bytes, (key, a, b) => {
      assert.equal(show(hmac(key, a, b)), createHmac('blake2s256', key).update(a).update(b).digest('hex'));
    }),
  );
});

test('ChaCha20-Poly1305 opens the message of RFC 8439 appendix A.5 and rejects changed ones', () => {
  const key = hex('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0');
  const additional = hex('f33388860000000000004e91');
  const counter = 0x0807060504030201n;
  const sealed = hex(`
    64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0
    bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855
    9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9
    9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a
    0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130
    305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38`);
  const plain = open(key, counter, sealed, additional);
  assert.match(String(plain), /^Internet-Drafts are draft documents valid for a maximum of six months/);
  assert.equal(show(seal(key, counter, plain ?? new Uint8Array(), additional)), show(sealed));
  for (let at = 0; at < sealed.length; at += 5) {
    assert.equal(open(key, counter, flip(sealed, at), additional), null);
  }
  assert.equal(open(key, counter + 1n, sealed, additional), null);
  assert.equal(open(key, counter, sealed, flip(additional, 0)), null);
  for (const short of [0, 1, 15]) assert.equal(open(key, counter, sealed.subarray(0, short), additional), null);
});

test('HChaCha20 and XChaCha20-Poly1305 match draft-irtf-cfrg-xchacha-03 (sections 2.2.1 and A.3.1)', () => {
  assert.equal(
    show(hChaCha20(count(32), hex('000000090000004a0000000031415927'))),
    '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc',
  );
  const [key, nonce, additional] = [count(32, 0x80), count(24, 0x40), hex('50515253c0c1c2c3c4c5c6c7')];
  const sealed = hex(`
    bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39
    ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
    21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49`);
  const plain = xOpen(key, nonce, sealed, additional);
  assert.match(String(plain), /^Ladies and Gentlemen of the class of '99: .* sunscreen would be it\.$/);
  assert.equal(show(xSeal(key, nonce, plain ?? new Uint8Array(), additional)), show(sealed));
  for (let at = 0; at < 24; at++) assert.equal(xOpen(key, flip(nonce, at), sealed, additional), null);
});

test('X25519 matches RFC 7748 section 6.1 and rejects points of low order', () => {
  const alice = keyPairOf(hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'));
  const bob = keyPairOf(hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'));
  assert.equal(show(bob.publicKey), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
  const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
  assert.equal(show(agree(alice.privateKey, publicKeyObject(bob.publicKey))), shared);
  assert.equal(show(agree(bob.privateKey, publicKeyObject(alice.publicKey))), shared);
  const low = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ];
  for (const point of low) assert.equal(agree(alice.privateKey, publicKeyObject(hex(point))), null, point);
});

test('TAI64N labels count from 2^62 + 10 and grow with time', () => {
  assert.equal(show(tai64n(0)), '400000000000000a00000000');
  assert.equal(show(tai64n(1_000_000_000_001)), '400000003b9aca0a000f4240');
  fc.assert(
    fc.property(fc.nat(2 ** 31), fc.integer({ min: 1, max: 2 ** 31 }), (seconds, more) => {
      const at = seconds * 500;
      assert.equal(Buffer.compare(tai64n(at), tai64n(at + more)), -1);
    }),
  );
});

test('the replay window accepts each counter once, and no old counters', () => {
  const step = fc.oneof(fc.nat(40), fc.nat(3 * WINDOW), fc.constant(0));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(step, fc.boolean()), { maxLength: 200 }),
      fc.bigInt(0n, 2n ** 64n - 2n ** 21n),
      (steps, start) => {
        const window = new ReplayWindow();
        const seen = new Set<bigint>();
        let newest = -1n;
        let top = start;
        for (const [distance, back] of steps) {
          const counter = back ? (top > distance ? top - BigInt(distance) : 0n) : (top += BigInt(distance));
          const expected = !seen.has(counter) && newest - counter < BigInt(WINDOW);
          assert.equal(window.isFresh(counter), expected);
          assert.equal(window.take(counter), expected);
          seen.add(counter);
          if (expected && counter > newest) newest = counter;
        }
      },
    ),
  );
});

function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 0x40 : byte));
}
