import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0;

test('set-up asks for the package with the names of protocols, which ip and nft read', {
  skip: mayMount ? false : 'needs mounts',
}, async () => {
  const missing = `profile=start SALLYPORT_LOCAL_GATEWAY=on; . ${root}/scripts/setup-system.sh; missing_packages`;
  const inside = (prepare: string) =>
    run('unshare', ['--mount', 'sh', '-euc', `${prepare}; ${missing}`]).then(({ stdout }) => stdout.split(' '));
  assert.ok((await inside('mount --bind /dev/null /etc/protocols')).includes('netbase'));
  assert.ok(!(await inside('mount --bind /etc/passwd /etc/protocols')).includes('netbase'));
});
