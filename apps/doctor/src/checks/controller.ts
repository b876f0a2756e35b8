import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { ok, problem, skipped, warning } from '../findings.ts';
import type { Check, Finding, Place, Probe } from '../types.ts';

/** Checks of a controller on this host. */
export const controllerChecks: readonly Check[] = [
  { id: 'tls-files', title: 'TLS files', roles: ['controller'], run: tlsFiles },
  { id: 'ntp', title: 'Time service', roles: ['controller'], run: timeService },
  { id: 'ports', title: 'Ports', roles: ['controller'], run: ports },
];

const dayMs = 86_400_000;
const renew = 'Renew it. The controller reads new files when it starts.';

/** The files as the controller reads them at its next start, and not what the one that runs serves. */
async function tlsFiles(probe: Probe, { own }: Place): Promise<readonly Finding[]> {
  const { certFile, keyFile, publicUrl } = own;
  if (certFile === null || keyFile === null)
    return [skipped('SALLYPORT_TLS_CERT_FILE and SALLYPORT_TLS_KEY_FILE are not set, so TLS ends elsewhere')];
  const [certText, keyText] = await Promise.all([probe.text(certFile), probe.text(keyFile)]);
  if (certText === null || keyText === null) return [unreadable(probe, certText === null ? certFile : keyFile)];
  const certificate = certificateIn(certText);
  const key = privateKeyIn(keyText);
  if (certificate === null)
    return [problem(`${certFile} holds no certificate in PEM.`, 'Copy the certificate there again, whole.')];
  if (key === null)
    return [
      problem(`${keyFile} holds no private key in PEM, or an encrypted one.`, 'Write it there without a passphrase.'),
    ];
  const found = [
    matches(certificate, key, keyFile),
    lasts(certificate, certFile, probe.now()),
    named(certificate, publicUrl),
  ];
  const wrong = found.filter((finding) => finding !== null);
  return wrong.length > 0 ? wrong : [ok(`${certFile} fits its key and the public address`)];
}

function unreadable(probe: Probe, file: string): Finding {
  if (!probe.isRoot) return skipped('needs root: sudo sally doctor');
  return problem(`${file} cannot be read.`, 'Put the file there, or correct the setting in controller.env.');
}

function certificateIn(text: string): X509Certificate | null {
  try {
    return new X509Certificate(text);
  } catch {
    return null;
  }
}

function privateKeyIn(text: string): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch {
    return null;
  }
}

function matches(certificate: X509Certificate, key: KeyObject, keyFile: string): Finding | null {
  if (certificate.checkPrivateKey(key)) return null;
  return problem(
    `The key in ${keyFile} does not belong to the first certificate.`,
    'Put the own certificate of the server first, and its key into the key file.',
  );
}

function lasts({ validFromDate, validToDate }: X509Certificate, file: string, now: number): Finding | null {
  if (validFromDate.getTime() > now)
    return problem(
      `The certificate in ${file} begins at ${validFromDate.toISOString()}.`,
      'Check the clock of this host.',
    );
  const days = Math.floor((validToDate.getTime() - now) / dayMs);
  if (days < 0) return problem(`The certificate in ${file} ended ${-days} days ago.`, renew);
  return days < 14 ? warning(`The certificate in ${file} ends in ${days} days.`, renew) : null;
}

function named(certificate: X509Certificate, publicUrl: string | null): Finding | null {
  const host = publicUrl === null ? null : (URL.parse(publicUrl)?.hostname.replace(/^\[|\]$/g, '') ?? null);
  if (host === null) return null;
  const fits = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (fits !== undefined) return null;
  const names = certificate.subjectAltName ?? certificate.subject.replaceAll('\n', ', ');
  return problem(
    `The certificate is for ${names}, and not for ${host} of SALLYPORT_PUBLIC_URL.`,
    'Get a certificate for that name, or correct the setting.',
  );
}

/** Leases and time windows go by the clock of the controller. */
async function timeService(probe: Probe): Promise<Finding> {
  const answer = (await probe.output('timedatectl', ['show', '--property=NTPSynchronized', '--value']))?.trim();
  if (answer === 'yes') return ok('the clock is set by NTP');
  if (answer !== 'no') return skipped('timedatectl does not tell whether the clock is set');
  return warning(
    'No service sets the clock of this host. Leases, time windows and codes of authenticator apps go by it.',
    'timedatectl set-ntp true, or install chrony.',
  );
}

async function ports(probe: Probe, { dataDir, own }: Place): Promise<Finding> {
  if ((await probe.stats(`${dataDir}/operator.sock`)) === null) return skipped(`no controller runs with ${dataDir}`);
  if (own.beacon === null) return skipped('SALLYPORT_BEACON_LISTEN is off');
  const tables = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map((path) => probe.text(path)));
  const open = new Set(tables.flatMap((text) => udpPorts(text ?? '')));
  const wanted = [own.beacon, own.beacon + 1];
  const missing = wanted.filter((port) => !open.has(port));
  if (missing.length === 0) return ok(`UDP ${wanted.join(' and ')} are open on this host`);
  return warning(
    `The beacon does not listen on UDP ${missing.join(' and ')}, so devices behind NATs get no direct connections.`,
    'Unless you moved it (SALLYPORT_BEACON_LISTEN), see the log of the controller: another program may use the port.',
  );
}

/** Reads the bound ports from the kernel's table. */
const udpPorts = (table: string): number[] =>
  [...table.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)].map(([, port = '0']) => Number.parseInt(port, 16));
