import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
