import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { presharedKeyHash, publicKeyOf } from './keys.ts';
import { deviceConfig } from './testing/arbitraries.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from './testing/keys.ts';
import type { DeviceConfig, PeerConfig } from './types.ts';
import { encodeSet } from './uapi.ts';
import { decodeErrno, decodeGet } from './uapi-decode.ts';

const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex');
const key = publicKeyFor('ada');

test('a change is encoded as a set request', () => {
  const text = encodeSet({
    privateKey: privateKeyFor('gate'),
    listenPort: 51820,
    fwmark: 51,
    peers: [
      { kind: 'remove', publicKey: publicKeyFor('bob') },
      {
        kind: 'set',
        peer: {
          publicKey: key,
          presharedKey: presharedKeyFor('ada'),
          endpoint: '[2001:DB8::1]:7',
          allowedIps: ['100.64.0.2/32', 'fd00::2/128'],
          persistentKeepalive: 25,
        },
      },
      { kind: 'set', peer: { publicKey: publicKeyFor('cy'), allowedIps: [] } },
    ],
  });
  assert.equal(
    text,
    `set=1
private_key=${hex(privateKeyFor('gate'))}
fwmark=51
listen_port=51820
public_key=${hex(publicKeyFor('bob'))}
remove=true
public_key=${hex(key)}
preshared_key=${hex(presharedKeyFor('ada'))}
endpoint=[2001:db8::1]:7
replace_allowed_ips=true
allowed_ip=100.64.0.2/32
allowed_ip=fd00::2/128
persistent_keepalive_interval=25
public_key=${hex(publicKeyFor('cy'))}
preshared_key=${'0'.repeat(64)}
replace_allowed_ips=true
persistent_keepalive_interval=0

`,
  );
});

test('an empty change is an empty set request', () => assert.equal(encodeSet({ peers: [] }), 'set=1\n\n'));

test('no value can inject a line', () => {
  const peer = (extra: Partial<PeerConfig>): PeerConfig => ({ publicKey: key, allowedIps: [], ...extra });
  const hostile: PeerConfig[] = [
    peer({ publicKey: `${key}\nremove=true` }),
    peer({ allowedIps: ['10.0.0.1/32\nreplace_peers=true'] }),
    peer({ endpoint: '192.0.2.1:1\nremove=true' }),
    peer({ persistentKeepalive: 70000 }),
    peer({ persistentKeepalive: Number.NaN }),
  ];
  for (const each of hostile) {
    assert.throws(() => encodeSet({ peers: [{ kind: 'set', peer: each }] }), { code: 'invalid' });
  }
  assert.throws(() => encodeSet({ listenPort: 65536, peers: [] }), { code: 'invalid' });
  assert.throws(() => encodeSet({ fwmark: -1, peers: [] }), { code: 'invalid' });
});

test('an answer of wireguard-go is decoded', () => {
  const status = decodeGet(`private_key=${hex(privateKeyFor('gate'))}
listen_port=51820
fwmark=7
public_key=${hex(key)}
preshared_key=${hex(presharedKeyFor('ada'))}
protocol_version=1
endpoint=[2001:db8::1]:51820
last_handshake_time_sec=1700000000
last_handshake_time_nsec=987654321
tx_bytes=1
rx_bytes=9007199254740991
persistent_keepalive_interval=25
allowed_ip=100.64.0.2/32
allowed_ip=fd00::2/128
some_future_thing=1
public_key=${hex(publicKeyFor('bob'))}
preshared_key=${'0'.repeat(64)}
protocol_version=1
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
persistent_keepalive_interval=0
errno=0

`);
  assert.deepEqual(status, {
    publicKey: publicKeyFor('gate'),
    listenPort: 51820,
    fwmark: 7,
    peers: new Map([
      [
        key,
        {
          publicKey: key,
          presharedKeyHash: presharedKeyHash(presharedKeyFor('ada')),
          endpoint: '[2001:db8::1]:51820',
          allowedIps: ['100.64.0.2/32', 'fd00::2/128'],
          persistentKeepalive: 25,
          lastHandshake: 1700000000987,
          rxBytes: 9007199254740991,
          txBytes: 1,
        },
      ],
      [
        publicKeyFor('bob'),
        { publicKey: publicKeyFor('bob'), allowedIps: [], lastHandshake: null, rxBytes: 0, txBytes: 0 },
      ],
    ]),
  });
});

test('a device without a key and peers is decoded', () => {
  assert.deepEqual(decodeGet('\nerrno=0\n\n'), { publicKey: null, listenPort: 0, fwmark: 0, peers: new Map() });
});

test('hostile answers are rejected and never quoted', () => {
  const ours = hex(privateKeyFor('gate'));
  const answers = [
    '',
    'errno=0\n',
    'listen_port=1\n\n',
    `private_key=${ours}`,
    `private_key=${ours}0\nerrno=0\n\n`,
    `private_key=${ours}\nprivate_key=${ours}\nerrno=0\n\n`,
    'listen_port=65536\nerrno=0\n\n',
    'listen_port=-1\nerrno=0\n\n',
    'no equals sign\nerrno=0\n\n',
    'listen_port=1\u0000\nerrno=0\n\n',
    `public_key=${hex(key)}\npublic_key=${hex(key)}\nerrno=0\n\n`,
    `public_key=${hex(key)}\nallowed_ip=10.0.0.0/33\nerrno=0\n\n`,
    `public_key=${hex(key)}\nendpoint=example.org:1\nerrno=0\n\n`,
    `public_key=${hex(key)}\nrx_bytes=9007199254740993\nerrno=0\n\n`,
    `public_key=${hex(key)}\nlast_handshake_time_sec=99999999999999\nerrno=0\n\n`,
    `public_key=\nerrno=0\n\n`,
  ];
  for (const answer of answers) {
    assert.throws(
      () => decodeGet(answer),
      (error: Error & { code?: string }) => error.code === 'protocol' && !error.message.includes(ours),
      answer,
    );
  }
  assert.throws(() => decodeGet('errno=-1\n\n'), { code: 'failed' });
});

test('errno is read with both signs', () => {
  assert.equal(decodeErrno('errno=-98\n\n'), 98);
  assert.equal(decodeErrno('listen_port=1\nerrno=98\n\n'), 98);
  assert.throws(() => decodeErrno('xerrno=1\n\n'), { code: 'protocol' });
});

test('settings that are set are read back', () => {
  fc.assert(
    fc.property(deviceConfig, (config) => {
      const peers = [...config.peers.values()];
      const request = encodeSet({ ...config, peers: peers.map((peer) => ({ kind: 'set', peer })) });
      assert.deepEqual(decodeGet(asAnswer(request)), asStatus(config));
    }),
  );
});

test('the decoder returns or rejects any text', () => {
  const line = fc.oneof(
    fc.constantFrom(
      'listen_port=5',
      `public_key=${hex(key)}`,
      'allowed_ip=10.0.0.0/8',
      'endpoint=1.2.3.4:5',
      'errno=0',
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        assert.ok(decodeGet(`${lines.join('\n')}\nerrno=0\n\n`).peers.size <= lines.length);
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'protocol');
      }
    }),
  );
});

/** Returns the answer of a device that received `request`. */
function asAnswer(request: string): string {
  const drop = /^(set=1|replace_allowed_ips=.*)$/;
  return `${request
    .split('\n')
    .filter((line) => line !== '' && !drop.test(line))
    .join('\n')}\nerrno=0\n\n`;
}

function asStatus(config: DeviceConfig) {
  const peers = [...config.peers].map(([publicKey, { presharedKey, ...peer }]) => {
    const hash = presharedKeyHash(presharedKey);
    const status = {
      ...peer,
      ...(hash === null ? {} : { presharedKeyHash: hash }),
      lastHandshake: null,
      rxBytes: 0,
      txBytes: 0,
    };
    return [publicKey, status] as const;
  });
  return {
    publicKey: publicKeyOf(config.privateKey),
    listenPort: config.listenPort,
    fwmark: config.fwmark ?? 0,
    peers: new Map(peers),
  };
}
