import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, getCACertificates, type PeerCertificate } from 'node:tls';
import { UsageError } from './usage-error.ts';

/** Options of TLS connections that trust the certificates of a file and those of the system. */
export interface TlsTrust {
  readonly ca: string[];
  readonly allowPartialTrustChain: true;
  readonly checkServerIdentity: (host: string, peer: PeerCertificate) => Error | undefined;
}

/**
 * Reads the certificates of a PEM file: certificate authorities, or the certificate of a server itself. A server that
 * presents a certificate of the file is trusted under any name, because the file names that one server. Synchronous,
 * because it runs when a connection starts. Throws UsageError with a sentence that starts with `setting`.
 */
export function readCaFile(path: string, setting = '--ca-file'): TlsTrust {
  const certificates = certificatesOf(readPem(path, setting), path, setting);
  const known = new Set(certificates.map(({ fingerprint256 }) => fingerprint256));
  return {
    ca: [...getCACertificates('default'), ...certificates.map(String)],
    allowPartialTrustChain: true,
    checkServerIdentity: (host, peer) => (known.has(peer.fingerprint256) ? undefined : checkServerIdentity(host, peer)),
  };
}

/**
 * Reads the file again for each connection, so that a renewed certificate is trusted without a restart. While the file is
 * unreadable, its last good content counts. Null: only the system's certificates. Throws UsageError at the first read.
 */
export function followCaFile(path: string | null, setting = '--ca-file'): () => TlsTrust | undefined {
  if (path === null) return () => undefined;
  let last = readCaFile(path, setting);
  return () => {
    try {
      last = readCaFile(path, setting);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
    return last;
  };
}

/** Maximum length of a list of certificates. */
const longestFile = 4 << 20;

function readPem(path: string, setting: string): string {
  try {
    const text = readFileSync(path, 'latin1');
    if (text.length <= longestFile) return text;
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageError(`${setting}: ${path} cannot be read (${code})`);
  }
  throw new UsageError(`${setting}: ${path} is too long to be a list of certificates`);
}

function certificatesOf(text: string, path: string, setting: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN (TRUSTED )?CERTIFICATE-----[^-]*-----END (TRUSTED )?CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0)
    throw new UsageError(`${setting}: ${path} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new UsageError(`${setting}: certificate ${index + 1} of ${path} is damaged; copy the file again`);
    }
  });
}
