import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNone, readManifest, readPackages, readText } from './workspace.ts';

interface LockEntry {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const lock: { lockfileVersion: number; packages: Record<string, LockEntry> } = JSON.parse(
  readText('package-lock.json'),
);
const external = Object.entries(lock.packages).filter(([path, { link }]) => path.includes('node_modules/') && !link);

test('every locked package has a hash, names no registry and needs no install script', () => {
  assert.ok(external.length > 50, 'the lock file was read');
  assertNone(
    external.flatMap(([path, { integrity, resolved, hasInstallScript }]) => [
      ...(integrity?.startsWith('sha512-') ? [] : [`${path} has no sha512 hash: nobody could tell what is installed`]),
      ...(resolved === undefined
        ? []
        : [`${path} names ${new URL(resolved).protocol}//…: everybody has their own registry`]),
      ...(hasInstallScript ? [`${path} has an install script: set-up runs none`] : []),
    ]),
  );
});

test('the lock file holds every dependency that a locked package names', () => {
  const findings: string[] = [];
  for (const [path, { dependencies, optionalDependencies }] of Object.entries(lock.packages)) {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (!isLocked(path, name))
        findings.push(`${path || 'the root'} needs ${name}, which is not in the lock file: npm ci refuses it`);
    }
  }
  assertNone(findings);
});

test('versions are exact, those of the workspace apart', () => {
  const own = new Set(readPackages().map(({ manifest }) => manifest.name));
  const manifests = [readManifest('.'), ...readPackages().map(({ manifest }) => manifest)];
  const findings: string[] = [];
  for (const { name: owner, dependencies, devDependencies, optionalDependencies } of manifests) {
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
      if (own.has(name) ? version === '*' : /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) continue;
      findings.push(`${owner} asks for ${name} ${version}: ${own.has(name) ? 'write *' : 'write one exact version'}`);
    }
  }
  assertNone(findings);
});

/** As Node resolves it: beside the package, then further up. */
function isLocked(from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/')) : '') {
    if (lock.packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) return true;
    if (folder === '') return false;
  }
}
