import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNone, readPackages, readText, root } from './workspace.ts';

const { version } = JSON.parse(readText('package.json')) as { version: string };

test('package.json at the root is the only manifest with a version', () => {
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assertNone(
    readPackages()
      .filter(({ manifest }) => 'version' in manifest)
      .map(
        ({ folder }) => `${folder}/package.json has a version: remove it, package.json at the root has the only one`,
      ),
  );
});

test('package-lock.json has the version of package.json, and no other of ours', () => {
  const lock = JSON.parse(readText('package-lock.json'));
  assert.equal(lock.version, version, 'run npm install --package-lock-only');
  assert.equal(lock.packages[''].version, version);
  for (const { folder } of readPackages()) assert.equal(lock.packages[folder].version, undefined, folder);
});

test('every program reads its version from package.json at the root', () => {
  const mains = globSync('apps/*/src/main.ts', { cwd: root });
  assert.ok(mains.length >= 4);
  assertNone(
    mains
      .filter((path) => !/\bversion\b.* from '@sallyport\/program\/place'/.test(readText(path)))
      .map(
        (path) => `${path} does not take the version of @sallyport/program/place, which reads package.json at the root`,
      ),
  );
  const { stdout } = spawnSync('sh', [join(root, 'bin/sally'), '--version'], { encoding: 'utf8' });
  assert.equal(stdout.trim(), version);
});

test('CHANGELOG.md begins with what is unreleased, then has this version with its date', () => {
  const headings = readText('CHANGELOG.md').match(/^## .*$/gm) ?? [];
  assert.equal(headings[0], '## Unreleased');
  assert.match(headings[1] ?? '', new RegExp(`^## ${version.replaceAll('.', '\\.')} \\(\\d{4}-\\d{2}-\\d{2}\\)$`));
});

test('the workflow of the hosting service runs .ci/run, which runs npm test', () => {
  assert.match(readText('.ci/run'), /^exec npm test$/m);
  assert.match(readText('.github/workflows/ci.yml'), /^\s+- run: .*\.ci\/run$/m);
});

test('the Helm chart has the version of package.json, twice', () => {
  const versions = readText('deploy/helm/sallyport/Chart.yaml').match(/^(?:version|appVersion): (.*)$/gm);
  assert.deepEqual(versions, [`version: ${version}`, `appVersion: ${version}`]);
});
