import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Contents of a clone, without built, installed and stored files. */
const manifests = ['package.json', 'package-lock.json', '.npmrc', 'tsconfig.base.json'];
const parts = ['apps', 'bin', 'deploy', 'packages', 'scripts', ...manifests, 'README.md'];
const left = /\/(node_modules|dist|\.cache)$|\.tsbuildinfo$/;

/** Creates a folder that is removed with the test. */
export function testFolder(t: TestContext, prefix = 'sp-install-'): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Copies this checkout as `git clone` does, with only the manifests of tests, benchmarks and the build. */
export function copyCheckout(into: string): string {
  mkdirSync(into, { recursive: true });
  for (const part of parts)
    cpSync(join(root, part), join(into, part), { recursive: true, filter: (path) => !left.test(path) });
  for (const folder of ['tests', 'bench', 'build']) {
    mkdirSync(join(into, folder));
    cpSync(join(root, folder, 'package.json'), join(into, folder, 'package.json'));
  }
  return into;
}

interface Lock {
  packages: Record<string, { dev?: boolean; devOptional?: boolean; link?: boolean }>;
}

/** Fills node_modules as `npm ci --omit=dev` does, from the packages installed here. */
export function installForProduction(checkout: string): void {
  const lock: Lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = Object.entries(lock.packages).filter(
    ([path, { dev, devOptional }]) => path.includes('node_modules/') && dev !== true && devOptional !== true,
  );
  for (const [path] of wanted) {
    if (!existsSync(join(root, path)) || existsSync(join(checkout, path))) continue;
    mkdirSync(dirname(join(checkout, path)), { recursive: true });
    cpSync(join(root, path), join(checkout, path), { recursive: true, verbatimSymlinks: true });
  }
  mkdirSync(join(checkout, 'node_modules/.bin'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules/.bin'))) {
    const link = join(checkout, 'node_modules/.bin', name);
    cpSync(join(root, 'node_modules/.bin', name), link, { verbatimSymlinks: true });
    if (!existsSync(link)) rmSync(link);
  }
  writeFileSync(
    join(checkout, 'node_modules/.package-lock.json'),
    JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(wanted) }),
  );
}
