import assert from 'node:assert/strict';
import { dirname, normalize } from 'node:path';
import { test } from 'node:test';
import type { Import } from './scan.ts';
import {
  assertNone,
  isTestCode,
  places,
  readManifest,
  readPackages,
  readSources,
  type SourceFile,
} from './workspace.ts';

interface Rule {
  imports: string[];
  typesOf?: string[];
  why: string;
}

const LEAF = { imports: [], why: 'it is a leaf: it must be usable, and testable, alone' };
const OVER_IP = { imports: ['ip'], why: 'it must be usable, and testable, with nothing of ours but IP addresses' };
const APP = {
  imports: ['ip', 'contract', 'policy', 'wireguard', 'hostnet', 'agent-core', 'agent-runtime', 'program', 'release'],
  why: 'apps import packages, never each other: they meet on the wire, through the contract',
};
const CLOSED = { imports: ['ip', 'contract'], why: 'it is a thin user of the contract' };

/** Who may import whom, by the name after `@sallyport/`. Unlisted packages fail, so that a new one is thought about. */
const RULES: Record<string, Rule> = {
  ip: LEAF,
  contract: OVER_IP,
  wireguard: OVER_IP,
  hostnet: {
    imports: ['ip'],
    typesOf: ['contract'],
    why: 'it must be usable, and testable, alone: of the contract only types may come in (`import type`)',
  },
  program: LEAF,
  release: LEAF,
  policy: { imports: ['ip', 'contract'], why: 'the access decision is pure and knows nothing of how it is enforced' },
  'agent-core': {
    imports: ['ip', 'contract'],
    typesOf: ['wireguard', 'hostnet'],
    why: 'the agents decide without IO: of wireguard and hostnet only types may come in (`import type`)',
  },
  'agent-runtime': {
    imports: ['ip', 'contract', 'wireguard', 'hostnet', 'agent-core'],
    why: 'it is the event loop of agents: it joins the core to sockets and files, and knows no role',
  },
  testkit: {
    imports: ['contract', 'policy', 'wireguard', 'hostnet', 'agent-core', 'program', 'release'],
    why: 'it serves tests of packages',
  },
  controller: { ...APP, imports: ['ip', 'contract', 'policy', 'wireguard', 'program', 'release'] },
  gateway: APP,
  client: APP,
  cli: { ...APP, imports: ['ip', 'contract', 'wireguard', 'hostnet', 'agent-core', 'program', 'release'] },
  doctor: { ...APP, imports: ['contract', 'wireguard', 'hostnet', 'agent-runtime', 'program'] },
  console: CLOSED,
};

const sources = readSources();
const packages = readPackages();
const nameOf = (specifier: string) => /^@sallyport\/([^/]+)/.exec(specifier)?.[1];
const place = (file: SourceFile, { line, specifier }: Import) => `${file.path}:${line} imports ${specifier}`;

/** Test code may use more than what it tests, but apps stay apart. */
function mayImport(file: SourceFile, rule: Rule, target: string, entry: Import): boolean {
  if (rule.imports.includes(target)) return true;
  if (entry.typeOnly && rule.typesOf?.includes(target)) return true;
  return isTestCode(file.path) && (target === 'testkit' || (rule.typesOf?.includes(target) ?? false));
}

test('every workspace package has an import rule', () => {
  const known = packages.filter(({ folder }) => /^(packages|apps)\//.test(folder));
  assertNone(
    known
      .filter(({ manifest }) => !RULES[nameOf(manifest.name) ?? ''])
      .map(({ folder }) => `${folder} has no rule in tests/architecture/imports.test.ts: decide what it may import`),
  );
});

test('packages import only what the design lets them', () => {
  const findings: string[] = [];
  for (const file of sources) {
    const self = nameOf(file.owner?.manifest.name ?? '') ?? '';
    const rule = RULES[self];
    if (!rule) continue;
    for (const entry of file.imports) {
      const target = nameOf(entry.specifier);
      if (!target || target === self || mayImport(file, rule, target, entry)) continue;
      findings.push(`${place(file, entry)}, but ${self} may not: ${rule.why}`);
    }
  }
  assertNone(findings);
});

test('testkit is imported by tests only', () => {
  assertNone(
    sources
      .filter((file) => !isTestCode(file.path))
      .flatMap((file) =>
        file.imports.filter(({ specifier }) => nameOf(specifier) === 'testkit').map((i) => place(file, i)),
      )
      .map((finding) => `${finding}: what helps tests must not be shipped`),
  );
});

test('a package is reached by its name, not by a path into it', () => {
  const findings: string[] = [];
  for (const file of sources) {
    if (!/^(packages|apps)\//.test(file.path)) continue;
    for (const entry of file.imports) {
      if (!entry.specifier.startsWith('.')) continue;
      const target = normalize(`${dirname(file.path)}/${entry.specifier}`);
      if (file.owner && target.startsWith(`${file.owner.folder}/`)) continue;
      findings.push(
        `${place(file, entry)}: relative imports stay inside ${file.owner?.folder}; export it there instead`,
      );
    }
  }
  assertNone(findings);
});

test('every imported package is declared by the package that imports it', () => {
  const shared = Object.keys(readManifest('.').devDependencies ?? {});
  const findings: string[] = [];
  for (const file of sources) {
    if (!file.owner) continue;
    const { name, dependencies, devDependencies } = file.owner.manifest;
    const declared = new Set([...Object.keys(dependencies ?? {}), ...Object.keys(devDependencies ?? {}), name]);
    if (isTestCode(file.path)) for (const tool of shared) declared.add(tool);
    for (const entry of file.imports) {
      if (/^(\.|node:)/.test(entry.specifier)) continue;
      const wanted = entry.specifier.split('/', entry.specifier.startsWith('@') ? 2 : 1).join('/');
      if (declared.has(wanted) || (entry.typeOnly && shared.includes(`@types/${wanted}`))) continue;
      findings.push(
        `${place(file, entry)}: ${file.owner.folder}/package.json does not declare ${wanted}; it only works by luck`,
      );
    }
  }
  assertNone(findings);
});

test('no package is looked up as another one would', () => {
  const findings = sources
    // It serves files that a package of the controller has.
    .filter(({ path }) => path !== 'packages/program/src/place.ts')
    .flatMap((file) => places(file, /\bcreateRequire\b/g))
    .map(({ place }) => `${place}: declare the package where it is used, and import it`);
  assertNone([...new Set(findings)]);
});

test('the workspace was really read', () => {
  assert.ok(packages.length >= 8 && sources.length >= 50, `${packages.length} packages, ${sources.length} files`);
  assert.ok(sources.some((file) => file.imports.some(({ specifier }) => nameOf(specifier) === 'contract')));
});

test('programs take node:http from packages/program', () => {
  const why = 'an import statement loads fetch and WebSocket of Node.js as well: use @sallyport/program/http';
  const shipped = sources.filter(({ path }) => /^(apps|packages)\//.test(path) && !isTestCode(path));
  assertNone(
    shipped.flatMap((file) =>
      file.imports
        .filter(({ specifier, typeOnly }) => /^(node:)?http$/.test(specifier) && !typeOnly)
        .map((entry) => `${place(file, entry)}: ${why}`),
    ),
  );
});
