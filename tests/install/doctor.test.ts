import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exec, whyNoNamespaces } from '@sallyport/testkit';

const skip = whyNoNamespaces() ?? false;
const root = join(import.meta.dirname, '../..');

interface Report {
  readonly roles: readonly string[];
  readonly checks: readonly {
    readonly id: string;
    readonly findings: readonly { readonly result: string; readonly text: string; readonly advice?: string }[];
  }[];
}

test('sally doctor finds the rules of another program and a silent controller on a real host', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'gateway'));
  writeFileSync(join(folder, 'gateway/identity.json'), '{}', { mode: 0o644 });
  const rules =
    'nft add table ip filter; nft add chain ip filter FORWARD "{ type filter hook forward priority 0; policy drop; }"';
  const flags = `--gateway-state ${folder}/gateway --client-state ${folder}/none --data-dir ${folder}/none`;
  const doctor = `${root}/bin/sally doctor ${flags} --controller http://127.0.0.1:9 --json --bundle ${folder}/bundle.txt`;
  const script = `ip link set lo up; ${rules}; ${doctor}; echo "exit $?"`;
  const stdout = await exec('unshare', ['--net', 'sh', '-c', script]);
  const [line = '', end] = stdout.trim().split('\n');
  assert.equal(end, 'exit 1');
  const report: Report = JSON.parse(line);
  assert.deepEqual(report.roles, ['gateway']);
  const found = (id: string) => report.checks.find((check) => check.id === id)?.findings[0];
  assert.equal(found('kernel')?.result, 'ok');
  assert.equal(found('nftables')?.result, 'ok');
  assert.match(found('foreign-rules')?.text ?? '', /Chain FORWARD of table ip filter drops packets/);
  assert.match(found('foreign-rules')?.advice ?? '', /^Let it pass: /);
  assert.match(found('controller')?.text ?? '', /http:\/\/127\.0\.0\.1:9 does not answer/);
  assert.match(found('files')?.text ?? '', /identity\.json \(mode 644\)/);
  assert.equal(found('device')?.result, 'skipped');
  const failed = report.checks.flatMap(({ findings }) =>
    findings.filter(({ text }) => text.startsWith('This check failed')),
  );
  assert.deepEqual(failed, []);
});

test('sally doctor finds a real controller well, and its bundle holds none of the secrets of the host', {
  skip,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '30'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await exec('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', `${folder}/key`, '-out', `${folder}/cert`]);
  writeFileSync(join(folder, 'script'), realController);
  const args = [join(root, 'bin/sally'), folder];
  const stdout = await exec('unshare', ['--net', 'sh', join(folder, 'script'), ...args]);
  const [line = ''] = stdout.trim().split('\n');
  const report: Report = JSON.parse(line);
  assert.deepEqual(report.roles, ['controller']);
  const found = (id: string) => report.checks.find((check) => check.id === id)?.findings[0];
  for (const id of ['dns', 'controller', 'certificate', 'clock', 'versions', 'tls-files', 'ports', 'disk', 'files'])
    assert.equal(found(id)?.result, 'ok', `${id}: ${found(id)?.text}`);
  const bundle = readFileSync(join(folder, 'bundle'), 'utf8');
  const printed = readFileSync(join(folder, 'output'), 'utf8');
  const apiKey = /sak_\S+/.exec(printed)?.[0];
  assert.ok(apiKey !== undefined, printed);
  const secrets = [apiKey, readFileSync(join(folder, 'data/master.key'), 'utf8').trim(), 'mail-password-of-this-test'];
  const keyLines = readFileSync(join(folder, 'key'), 'utf8').split('\n').slice(1, -2);
  for (const secret of [...secrets, ...keyLines]) assert.ok(!bundle.includes(secret), 'a secret is in the bundle');
});

/** A host with a controller alone. `$1`: the command, `$2`: the folder. It ends what it has begun. */
const realController = `
set -eu
ip link set lo up
sally=$1 folder=$2
export SALLYPORT_TLS_CERT_FILE=$folder/cert SALLYPORT_TLS_KEY_FILE=$folder/key
export SALLYPORT_PUBLIC_URL=https://localhost:8443 SALLYPORT_LOCAL_GATEWAY=off
export SALLYPORT_SMTP_URL=smtp://mailer:mail-password-of-this-test@127.0.0.1:2525 SALLYPORT_MAIL_FROM=a@example.com
"$sally" controller run --data-dir "$folder/data" --listen 127.0.0.1:8443 --metrics-listen off >"$folder/output" 2>&1 &
controller=$!
trap 'kill $controller; wait $controller || true' EXIT
until grep -q 'sally status' "$folder/output" || ! kill -0 $controller; do sleep 0.1; done
"$sally" doctor --data-dir "$folder/data" --gateway-state "$folder/none" --client-state "$folder/none" \
  --json --bundle "$folder/bundle" || true
`;
