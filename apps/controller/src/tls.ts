import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { OperatorError } from './errors.ts';
import { attempt } from './system-error.ts';

/** Certificate and key that the controller serves with. */
export interface Tls {
  readonly certFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** What clients will find wrong with the certificate, for the operator; null: nothing. */
  readonly warning: string | null;
}

const certSetting = 'SALLYPORT_TLS_CERT_FILE';
const keySetting = 'SALLYPORT_TLS_KEY_FILE';

/** Reads certificate and key and checks that they can be served. Throws OperatorError that names the setting. */
export function readTls(certFile: string | undefined, keyFile: string | undefined, now: number): Tls | null {
  if (certFile === undefined && keyFile === undefined) return null;
  if (certFile === undefined || keyFile === undefined)
    throw new OperatorError(`${certSetting} and ${keySetting} belong together`);
  const cert = attempt(`${certSetting}: ${certFile} cannot be read`, () => readFileSync(certFile));
  const key = attempt(`${keySetting}: ${keyFile} cannot be read`, () => readFileSync(keyFile));
  const own = certificateOf(cert, certFile);
  if (!own.checkPrivateKey(privateKeyOf(key, keyFile)))
    throw new OperatorError(
      `${keySetting}: the key in ${keyFile} does not belong to the first certificate in ${certFile}; that one must be the server's own`,
    );
  checkServable(cert, key, certFile);
  return { certFile: resolve(certFile), cert, key, warning: warningOf(own, certFile, now) };
}

/** The server's own certificate, which stands first. */
function certificateOf(pem: Buffer, file: string): X509Certificate {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const [first] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new OperatorError(`${certSetting}: certificate ${index + 1} in ${file} is damaged; copy the file again`);
    }
  });
  if (first === undefined)
    throw new OperatorError(`${certSetting}: ${file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
  return first;
}

function privateKeyOf(pem: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    if (/-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(pem.toString('latin1')))
      throw new OperatorError(
        `${keySetting}: the key in ${file} is encrypted; write it without a passphrase (openssl pkey -in … -out …)`,
      );
    throw new OperatorError(`${keySetting}: ${file} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)`);
  }
}

function checkServable(cert: Buffer, key: Buffer, file: string): void {
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const reason = (error as Error).message.split(':').at(-1);
    throw new OperatorError(`${certSetting}: the certificate in ${file} cannot be served (${reason})`);
  }
}

function warningOf({ validFromDate, validToDate }: X509Certificate, file: string, now: number): string | null {
  if (validToDate.getTime() < now)
    return `the certificate in ${file} (${certSetting}) expired at ${validToDate.toISOString()}: clients refuse it; renew it and start again`;
  if (validFromDate.getTime() > now)
    return `the certificate in ${file} (${certSetting}) is valid from ${validFromDate.toISOString()} on: clients refuse it until then; check the clock of this host`;
  return null;
}
