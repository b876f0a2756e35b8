import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalName } from '@sallyport/contract/host-name';
import { nameRefusal, readableName, wildcardRefusal } from './names.ts';

test('a name in any script is stored in ASCII', () => {
  const names = {
    'Server.Example.': 'server.example',
    'BÜCHER.example': 'xn--bcher-kva.example',
    'bu\u0308cher.example': 'xn--bcher-kva.example',
    '*.bücher.example': '*.xn--bcher-kva.example',
    '**.例え.example.': '**.xn--r8jz45g.example',
    'xn--bcher-kva.example': 'xn--bcher-kva.example',
  };
  for (const [given, stored] of Object.entries(names)) {
    assert.equal(canonicalName(given), stored);
    assert.equal(nameRefusal(stored), null, stored);
  }
});

test('what is no name says why', () => {
  const refused = [
    '',
    '10',
    '1.2.3',
    '１.２.３.４',
    '٣',
    'a_b.example',
    '-a.example',
    'a..example',
    `${'a'.repeat(64)}.de`,
  ];
  const more = [
    'ä'.repeat(63),
    'a b.example',
    'a/b',
    'xn--a',
    'xn--zzzzzzzzz9.example',
    'a\u202e.example',
    '☃.example',
  ];
  const wildcards = ['*', '**', '*.', '**.', '***.example', '*a.example', 'a.*.example', '*.*.example', '*.1'];
  for (const text of [...refused, ...more, ...wildcards])
    assert.match(nameRefusal(canonicalName(text)) ?? `${text} is taken`, /^(is not|must be|has a wildcard)/);
});

test('a name is shown in its own script unless it looks like a different name', () => {
  const shown = { 'bücher.example': true, '例え.example': true, 'пример.example': true, 'δοκιμή.example': true };
  const hidden = { 'аррӏе.example': false, 'pаypal.example': false, 'ooοo.example': false, 'гοο.example': false };
  for (const [text, isShown] of Object.entries({ ...shown, ...hidden })) {
    const stored = canonicalName(text);
    assert.match(stored, /xn--/);
    assert.equal(readableName(stored), isShown ? text : null, text);
    assert.equal(readableName(`*.${stored}`), isShown ? `*.${text}` : null, text);
  }
  assert.equal(readableName('server.example'), null);
  assert.equal(readableName('10.0.0.1'), null);
});

test('a wildcard over a public suffix is refused, and one over a private suffix is not', async () => {
  const bases = ['com', 'co.uk', 'github.io', 'xn--p1ai', 'local', 'onion', 'arpa', 'in-addr.arpa', 'localhost'];
  for (const base of bases)
    for (const stars of ['*', '**'])
      assert.match((await wildcardRefusal(`${stars}.${base}`)) ?? '', new RegExp(`^covers all of \\.${base}, `));
  for (const base of ['corp.example', 'example.com', 'internal', 'corp', 'lan', 'home.arpa', 'my.github.io'])
    assert.equal(await wildcardRefusal(`**.${base}`), null, base);
});
