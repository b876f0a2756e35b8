import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presharedKeyHash } from '../keys.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import { parseDump, wgCommands } from './wg-tool.ts';

const [ada, bob, cy] = ['ada', 'bob', 'cy'].map(publicKeyFor) as [string, string, string];

test('a change becomes calls of wg with every secret in the input', () => {
  const commands = wgCommands('wg0', {
    privateKey: privateKeyFor('gate'),
    listenPort: 51820,
    fwmark: 51,
    peers: [
      { kind: 'remove', publicKey: bob },
      { kind: 'remove', publicKey: cy },
      {
        kind: 'set',
        peer: {
          publicKey: ada,
          presharedKey: presharedKeyFor('ada'),
          endpoint: '[2001:db8::1]:5',
          allowedIps: ['10.0.0.1/32', 'fd00::1/128'],
          persistentKeepalive: 25,
        },
      },
      { kind: 'set', peer: { publicKey: cy, allowedIps: [] } },
    ],
  });
  assert.deepEqual(commands, [
    {
      args: ['addconf', 'wg0', '/dev/fd/3'],
      input: `[Interface]\nPrivateKey = ${privateKeyFor('gate')}\nFwMark = 51\n`,
    },
    { args: ['set', 'wg0', 'listen-port', '51820'] },
    { args: ['set', 'wg0', 'peer', bob, 'remove', 'peer', cy, 'remove'] },
    {
      args: ['addconf', 'wg0', '/dev/fd/3'],
      input: `[Peer]
PublicKey = ${ada}
PresharedKey = ${presharedKeyFor('ada')}
Endpoint = [2001:db8::1]:5
AllowedIPs = 10.0.0.1/32, fd00::1/128
PersistentKeepalive = 25
[Peer]
PublicKey = ${cy}
PresharedKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
PersistentKeepalive = 0
`,
    },
  ]);
});

test('an empty change makes no call', () => assert.deepEqual(wgCommands('wg0', { peers: [] }), []));

test('steps keep their order, and the length of a call is limited', () => {
  const removal = (index: number) => ({ kind: 'remove', publicKey: publicKeyFor(`p${index}`) }) as const;
  const many = Array.from({ length: 1001 }, (_, index) => removal(index));
  assert.deepEqual(
    wgCommands('wg0', { peers: [...many, { kind: 'set', peer: { publicKey: ada, allowedIps: [] } }, removal(0)] }).map(
      ({ args }) => [args[0], args.length],
    ),
    [
      ['set', 3002],
      ['set', 5],
      ['addconf', 3],
      ['set', 5],
    ],
  );
});

test('the dump of a device with peers is parsed', () => {
  const dump = `${privateKeyFor('gate')}\t${publicKeyFor('gate')}\t51820\t0x33
${ada}\t${presharedKeyFor('ada')}\t[fe80::1%eth0]:5\t10.0.0.1/32,fd00::1/128\t1700000000\t148\t92\t25
${bob}\t(none)\t(none)\t(none)\t0\t0\t0\toff
`;
  assert.deepEqual(parseDump(dump), {
    publicKey: publicKeyFor('gate'),
    listenPort: 51820,
    fwmark: 0x33,
    peers: new Map([
      [
        ada,
        {
          publicKey: ada,
          presharedKeyHash: presharedKeyHash(presharedKeyFor('ada')),
          endpoint: '[fe80::1%eth0]:5',
          allowedIps: ['10.0.0.1/32', 'fd00::1/128'],
          persistentKeepalive: 25,
          lastHandshake: 1700000000000,
          rxBytes: 148,
          txBytes: 92,
        },
      ],
      [bob, { publicKey: bob, allowedIps: [], lastHandshake: null, rxBytes: 0, txBytes: 0 }],
    ]),
  });
});

test('the dump of a new device is parsed', () => {
  assert.deepEqual(parseDump('(none)\t(none)\t0\toff\n'), {
    publicKey: null,
    listenPort: 0,
    fwmark: 0,
    peers: new Map(),
  });
});

test('hostile dumps are rejected and never quoted', () => {
  const secret = privateKeyFor('gate');
  const device = `${secret}\t${publicKeyFor('gate')}\t51820\toff`;
  const idle = '(none)\t(none)\t(none)\t0\t0\t0\toff';
  const dumps = [
    '',
    device,
    `${secret}\n`,
    `${device}\textra\n`,
    `${secret}\t${secret.slice(1)}\t1\toff\n`,
    `${secret}\t(none)\t65536\toff\n`,
    `${secret}\t(none)\t1\tmaybe\n`,
    `${device}\n\n`,
    `${device}\n${ada}\t${idle}\tmore\n`,
    `${device}\n${ada}\t${idle}\n${ada}\t${idle}\n`,
    `${device}\n${ada}\t${secret.slice(1)}\t(none)\t(none)\t0\t0\t0\toff\n`,
    `${device}\n${ada}\t(none)\texample.org:1\t(none)\t0\t0\t0\toff\n`,
    `${device}\n${ada}\t(none)\t(none)\t10.0.0.0/33\t0\t0\t0\toff\n`,
    `${device}\n${ada}\t(none)\t(none)\t(none)\t-1\t0\t0\toff\n`,
  ];
  for (const dump of dumps) {
    assert.throws(
      () => parseDump(dump),
      (error: Error & { code?: string }) => error.code === 'protocol' && !error.message.includes(secret.slice(1)),
      dump,
    );
  }
});
