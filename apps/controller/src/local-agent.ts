import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalAgent } from './features/gateways/local.ts';

/** Who the local gateway's agent is, from its state directory; null where there is none, or none that can be read. */
export function readLocalAgent(stateDir: string): LocalAgent | null {
  try {
    const { agent, identityPrivateKey, enrolledWith } = JSON.parse(
      readFileSync(join(stateDir, 'identity.json'), 'utf8'),
    );
    const enrolled = typeof enrolledWith === 'string' ? enrolledWith : null;
    return { gateway: String(agent), identityKey: publicKeyOf(String(identityPrivateKey)), enrolledWith: enrolled };
  } catch {
    return null;
  }
}

function publicKeyOf(seed: string): string {
  const key = Buffer.concat([pkcs8Prefix, Buffer.from(seed, 'base64')]);
  const spki = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({
    format: 'der',
    type: 'spki',
  });
  return spki.subarray(-32).toString('base64');
}

/** PKCS #8 of an Ed25519 key up to the key itself (RFC 8410 section 7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
