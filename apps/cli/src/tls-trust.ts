import { X509Certificate } from 'node:crypto';
import { checkServerIdentity, getCACertificates, type PeerCertificate } from 'node:tls';

/**
 * Returns TLS options that trust PEM certificates in addition to those of the system, like the agents. The file holds
 * certificate authorities, or the certificate of the server itself, which is trusted under any name.
 */
export function trustOf(pem: string) {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const known = new Set(blocks.map((block) => new X509Certificate(block).fingerprint256));
  return {
    ca: [...getCACertificates('default'), ...blocks],
    allowPartialTrustChain: true,
    checkServerIdentity: (host: string, peer: PeerCertificate): Error | undefined =>
      known.has(peer.fingerprint256) ? undefined : checkServerIdentity(host, peer),
  };
}
