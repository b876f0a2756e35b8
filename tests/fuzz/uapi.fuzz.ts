import assert from 'node:assert/strict';
import { WireGuardError } from '../../packages/wireguard/src/errors.ts';
import { decodeErrno, decodeGet } from '../../packages/wireguard/src/uapi-decode.ts';
import { bytes, oddText, pick, size, spoiltText } from './mutate.ts';

/** Name of the target. */
export const name = 'uapi';

/** Feeds answers of a WireGuard program to `get=1`. */
export function target(random: () => number): void {
  const text = random() < 0.9 ? spoiltText(random, answer(random)) : oddText(random);
  try {
    const { peers } = decodeGet(text);
    assert.ok(peers.size <= text.split('public_key=').length);
    assert.equal(decodeErrno(text), 0);
  } catch (error) {
    if (!(error instanceof WireGuardError)) throw error;
    assert.ok(error.message.length < 500, 'a refusal is short');
  }
}

function answer(random: () => number): string {
  const hex = () => bytes(random, 32).toString('hex');
  const lines = [`private_key=${hex()}`, 'listen_port=51820', 'fwmark=7'];
  for (let peers = size(random, 500); peers > 0; peers--) {
    lines.push(`public_key=${hex()}`, `preshared_key=${'0'.repeat(64)}`, 'endpoint=[2001:db8::1]:51820');
    lines.push('last_handshake_time_sec=1700000000', 'last_handshake_time_nsec=1', 'tx_bytes=1', 'rx_bytes=2');
    lines.push(
      'persistent_keepalive_interval=25',
      pick(random, ['allowed_ip=100.64.0.2/32', 'allowed_ip=::/0', 'x=1']),
    );
  }
  return `${lines.join('\n')}\nerrno=0\n\n`;
}
