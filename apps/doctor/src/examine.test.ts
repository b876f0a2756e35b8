import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireGuardError } from '@sallyport/wireguard';
import { checks, examine, reportText } from './examine.ts';
import { certificateFiles } from './testing/certificate.ts';
import { answer, now, place, probeOf, serverFiles, status } from './testing/probe.ts';
import type { Place, Probe, Result } from './types.ts';

const failing = (code: string) => async () => {
  throw Object.assign(new Error(`failed with ${code}`), { code });
};

interface Broken {
  readonly id: string;
  readonly probe?: Partial<Probe>;
  readonly place?: Partial<Place>;
  readonly result: Result;
  readonly says: RegExp;
}

const day = 86_400_000;
const natOf = (kind: 'blocked' | 'dependent' | 'unknown') => ({
  gatewayStatus: async () => ({ ...status, nat: { kind, endpoint: null } }),
});

/** The same state at another time. */
function after(state: Partial<Broken>, ms: number): Partial<Broken> {
  const at = state.probe?.now?.() ?? now;
  return { ...state, probe: { ...state.probe, now: () => at + ms } };
}

const only = (wanted: string, mode = 0o600) => ({
  stats: async (path: string) => (path === wanted ? { mode, uid: 0 } : null),
});

/** One broken state for each thing that a check knows. */
const broken: readonly Broken[] = [
  { id: 'kernel', probe: { kernel: () => '4.19.0' }, result: 'warning', says: /older than 5\.6/ },
  {
    id: 'wireguard',
    probe: {
      backend: async () =>
        Promise.reject(new WireGuardError('no-tun', 'there is no /dev/net/tun', 'load the module tun')),
    },
    result: 'problem',
    says: /there is no \/dev\/net\/tun\.[\s\S]*Load the module tun\./,
  },
  {
    id: 'wireguard',
    probe: { backend: async () => ({ kind: 'userspace', slow: 'It is of 2021' }) },
    result: 'warning',
    says: /It is of 2021/,
  },
  { id: 'wireguard', probe: { isRoot: false }, result: 'skipped', says: /sudo sally doctor/ },
  {
    id: 'tools',
    probe: { output: async (program) => (program === 'wg' ? null : 'fine') },
    result: 'problem',
    says: /missing: wg\.[\s\S]*wireguard-tools/,
  },
  { id: 'nftables', probe: { output: async () => null }, result: 'problem', says: /NET_ADMIN/ },
  {
    id: 'foreign-rules',
    probe: { foreignDrops: async () => [{ text: 'Chain FORWARD drops.', fix: 'iptables -I DOCKER-USER' }] },
    result: 'problem',
    says: /Chain FORWARD drops\.[\s\S]*iptables -I DOCKER-USER/,
  },
  { id: 'foreign-rules', probe: { foreignDrops: failing('X') }, result: 'skipped', says: /cannot be read/ },
  {
    id: 'units',
    probe: { stats: async (path) => (/sallyport-gateway\.service$/.test(path) ? { mode: 0o644, uid: 0 } : null) },
    result: 'warning',
    says: /\/etc\/systemd\/system\/sallyport-gateway\.service hides/,
  },
  { id: 'disk', probe: { space: async () => ({ bytes: 1e6, files: 10 }) }, result: 'problem', says: /is full: 1 MB/ },
  {
    id: 'disk',
    probe: { space: async () => ({ bytes: 1e12, files: 0 }) },
    result: 'problem',
    says: /0 files are free/,
  },
  { id: 'disk', probe: { space: async () => ({ bytes: 5e8, files: 10 }) }, result: 'warning', says: /only 500 MB/ },
  { id: 'files', probe: only('/gateway/identity.json', 0o644), result: 'problem', says: /mode 644/ },
  { id: 'dns', probe: { addresses: failing('ENOTFOUND') }, result: 'problem', says: /names no server/ },
  {
    id: 'dns',
    probe: { addresses: failing('EAI_AGAIN'), text: async () => 'nameserver 192.0.2.53\n' },
    result: 'problem',
    says: /EAI_AGAIN[\s\S]*resolv\.conf answer/,
  },
  { id: 'dns', place: { controller: null }, result: 'skipped', says: /--controller URL/ },
  { id: 'controller', probe: { ask: failing('ECONNREFUSED') }, result: 'problem', says: /Start the controller/ },
  { id: 'controller', probe: { ask: failing('DEPTH_ZERO_SELF_SIGNED_CERT') }, result: 'problem', says: /--ca-file/ },
  { id: 'controller', probe: { ask: failing('ERR_SSL_WRONG_VERSION_NUMBER') }, result: 'problem', says: /https:\/\// },
  { id: 'controller', probe: { ask: failing('ETIMEDOUT') }, result: 'problem', says: /firewall/ },
  { id: 'controller', probe: { ask: async () => ({ ...answer, status: 503 }) }, result: 'problem', says: /status 503/ },
  {
    id: 'certificate',
    probe: { ask: async () => ({ ...answer, certificateEnds: now + 3 * day }) },
    result: 'warning',
    says: /in 3 days/,
  },
  {
    id: 'certificate',
    probe: { ask: async () => ({ ...answer, certificateEnds: now - 2 * day }) },
    result: 'problem',
    says: /2 days ago/,
  },
  { id: 'clock', probe: { now: () => now + 90_000 }, result: 'problem', says: /90 s ahead/ },
  { id: 'clock', probe: { now: () => now - 30_000 }, result: 'warning', says: /30 s behind/ },
  { id: 'versions', probe: { version: '1.10.0' }, result: 'warning', says: /controller first/ },
  { id: 'versions', probe: { version: '1.2.2' }, result: 'warning', says: /Upgrade this host/ },
  { id: 'mtu', probe: { uplink: async () => null }, result: 'problem', says: /no default route/ },
  {
    id: 'mtu',
    probe: { uplink: async () => ({ name: 'ppp0', mtu: 1300 }) },
    result: 'warning',
    says: /ppp0 carries 1300/,
  },
  { id: 'gateway', probe: { agent: async () => null }, result: 'problem', says: /agent does not run/ },
  {
    id: 'gateway',
    probe: { gatewayStatus: async () => ({ ...status, phase: 'waiting' }) },
    result: 'problem',
    says: /waiting/,
  },
  {
    id: 'gateway',
    probe: { gatewayStatus: async () => ({ ...status, failure: { code: 'nft_failed', message: 'nft said no' } }) },
    result: 'problem',
    says: /nft said no \(nft_failed\)/,
  },
  {
    id: 'gateway',
    probe: { gatewayStatus: async () => ({ ...status, applied: null }) },
    result: 'problem',
    says: /holds no state/,
  },
  {
    id: 'gateway',
    probe: { gatewayStatus: async () => ({ ...status, leaseUntil: new Date(now - 1000).toISOString() }) },
    result: 'problem',
    says: /lease ended/,
  },
  {
    id: 'gateway',
    probe: { gatewayStatus: async () => ({ ...status, notes: ['it is full'] }) },
    result: 'warning',
    says: /it is full/,
  },
  { id: 'device', probe: { agent: async () => null }, result: 'warning', says: /sudo sally up/ },
  { id: 'device', probe: { netcheck: async () => null }, result: 'problem', says: /does not answer/ },
  { id: 'device', probe: { netcheck: async () => ['No relay answers.'] }, result: 'warning', says: /No relay answers/ },
  { id: 'ports', probe: { text: async () => null }, result: 'warning', says: /51818 and 51819/ },
  { id: 'ports', place: { own: { ...place.own, beacon: 6000 } }, result: 'warning', says: /6000 and 6001/ },
  { id: 'ports', place: { own: { ...place.own, beacon: null } }, result: 'skipped', says: /LISTEN is off/ },
  { id: 'reach', probe: natOf('blocked'), result: 'problem', says: /No UDP packet[\s\S]*51818 and 51819/ },
  { id: 'reach', probe: natOf('dependent'), result: 'warning', says: /through relays only[\s\S]*Forward/ },
  { id: 'reach', probe: natOf('unknown'), result: 'skipped', says: /no beacon/ },
  { id: 'ntp', probe: { output: async () => 'no\n' }, result: 'warning', says: /set-ntp true/ },
];

const tlsOf = (
  files: { cert: string | null; key: string | null },
  url = 'https://controller.example.com',
): Partial<Broken> => ({
  probe: {
    text: async (path) => ({ '/tls.pem': files.cert, '/tls.key': files.key })[path] ?? null,
  },
  place: { own: { ...place.own, certFile: '/tls.pem', keyFile: '/tls.key', publicUrl: url } },
});

/** Each fault of the files that a controller serves with. */
const brokenTls: readonly [Partial<Broken>, Result, RegExp][] = [
  [tlsOf(serverFiles), 'ok', /fits its key and the public address/],
  [tlsOf(serverFiles, 'https://other.example.com'), 'problem', /not for other\.example\.com of SALLYPORT_PUBLIC_URL/],
  [tlsOf(serverFiles, 'https://192.0.2.1'), 'problem', /not for 192\.0\.2\.1/],
  [tlsOf({ ...serverFiles, key: certificateFiles('x').key }), 'problem', /does not belong to the first certificate/],
  [tlsOf({ ...serverFiles, cert: 'nonsense' }), 'problem', /no certificate in PEM/],
  [tlsOf({ ...serverFiles, key: 'nonsense' }), 'problem', /no private key in PEM/],
  [tlsOf({ ...serverFiles, cert: null }), 'problem', /\/tls\.pem cannot be read/],
  [after(tlsOf(serverFiles), 20 * day), 'warning', /ends in \d+ days/],
  [after(tlsOf(serverFiles), 400 * day), 'problem', /ended \d+ days ago/],
  [after(tlsOf(serverFiles), -400 * day), 'problem', /begins at/],
  [{ place: { own: { ...place.own, certFile: null } } }, 'skipped', /TLS ends elsewhere/],
];

const rank: readonly Result[] = ['skipped', 'ok', 'warning', 'problem'];

test('a host on which everything is well has no warning', async () => {
  const report = await examine(probeOf(), place);
  assert.equal(report.result, 'ok', reportText(report));
  assert.deepEqual(
    report.checks.flatMap(({ id, findings }) => findings.flatMap(({ result }) => (result === 'ok' ? [] : [id]))),
    [],
  );
});

const brokenFiles = brokenTls.map(([state, result, says]) => ({ ...state, id: 'tls-files', result, says }));

for (const { id, probe, place: where, result, says } of [...broken, ...brokenFiles])
  test(`check ${id} says ${says.source}`, async () => {
    const report = await examine(probeOf(probe), { ...place, ...where });
    const findings = report.checks.find((check) => check.id === id)?.findings ?? [];
    const worst = findings.map((finding) => finding.result).sort((a, b) => rank.indexOf(b) - rank.indexOf(a))[0];
    assert.equal(worst, result, JSON.stringify(findings));
    assert.match(findings.map(({ text, advice }) => `${text}\n${advice ?? ''}`).join('\n'), says);
    for (const finding of findings)
      assert.equal(finding.advice !== undefined, finding.result === 'warning' || finding.result === 'problem');
  });

test('every check has a broken state here', () => {
  const tried = new Set([...broken.map(({ id }) => id), 'tls-files']);
  assert.deepEqual(
    checks.map(({ id }) => id).filter((id) => !tried.has(id)),
    [],
  );
});

test('a check that fails itself is reported and does not end the others', async () => {
  const failed = { ...probeOf(), uplink: failing('EIO') };
  const report = await examine(failed, place);
  assert.equal(report.checks.length, checks.length);
  assert.match(reportText(report), /WARNING {2}MTU: This check failed: failed with EIO/);
});

test('checks that do not concern the host are skipped, and a fresh host is checked for tunnels', async () => {
  const ids = async (roles: Place['roles']) => {
    const { checks } = await examine(probeOf(), { ...place, roles });
    return checks.filter(({ findings }) => findings[0]?.result !== 'skipped').map(({ id }) => id);
  };
  const controller = await ids(['controller']);
  assert.ok(!controller.includes('wireguard') && controller.includes('ports'), controller.join());
  const fresh = await ids([]);
  assert.ok(fresh.includes('wireguard') && !fresh.includes('gateway'), fresh.join());
});
