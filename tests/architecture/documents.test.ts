import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { errorCatalogue } from '@sallyport/contract';
import { assertNone, readPackages, readText, root } from './workspace.ts';

interface Setting {
  name: string;
  fallback: string;
  meaning: string;
}

test('docs/errors.md explains every error code, with its status', () => {
  const documented = new Map(
    tableRows('docs/errors.md').map(([code = '', status = '']) => [plain(code), plain(status)]),
  );
  const catalogue = new Map(Object.entries(errorCatalogue).map(([code, { status }]) => [code, String(status)]));
  assertNone([
    ...[...catalogue]
      .filter(([code, status]) => documented.get(code) !== status)
      .map(
        ([code, status]) =>
          `docs/errors.md needs a row that starts with | \`${code}\` | ${status} |: clients look codes up there`,
      ),
    ...[...documented.keys()]
      .filter((code) => /^[a-z_]+$/.test(code) && !catalogue.has(code))
      .map((code) => `docs/errors.md explains ${code}, which packages/contract/src/errors.ts does not have`),
  ]);
});

test('docs/settings.md holds the table of settings of config.ts', async () => {
  const config: { settings: Setting[] } = await import(pathToFileURL(join(root, 'apps/controller/src/config.ts')).href);
  assert.ok(config.settings.length > 5, 'apps/controller/src/config.ts exports the list `settings`');
  const documented = new Map(
    tableRows('docs/settings.md').map(([name = '', ...rest]) => [plain(name), rest.map(plain)]),
  );
  const names = new Set(config.settings.map(({ name }) => name));
  assertNone([
    ...config.settings
      .filter(
        ({ name, fallback, meaning }) =>
          documented.get(name)?.join('|') !== [plain(fallback), plain(meaning)].join('|'),
      )
      .map(
        (row) => `docs/settings.md needs the row of config.ts:\n| \`${row.name}\` | ${row.fallback} | ${row.meaning} |`,
      ),
    ...[...documented.keys()]
      .filter((name) => name.startsWith('SALLYPORT_') && !names.has(name) && !OF_OTHER_PROGRAMS.has(name))
      .map((name) => `docs/settings.md explains ${name}, which apps/controller/src/config.ts does not have`),
  ]);
});

test('docs/security.md names tests that exist, and every hostile test', () => {
  const named = new Set(readText('docs/security.md').match(/[\w./-]+\.test\.ts/g));
  assert.ok(named.size > 20, 'docs/security.md names the test of each attack');
  const hostile = readdirSync(join(root, 'tests/hostile')).filter((name) => name.endsWith('.test.ts'));
  assertNone([
    ...[...named]
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `docs/security.md names ${path}, which does not exist`),
    ...hostile
      .filter((name) => !named.has(`tests/hostile/${name}`))
      .map((name) => `docs/security.md needs a line for the attack of tests/hostile/${name}`),
  ]);
});

test('the controller leaves the variables of the other programs alone, and docs/settings.md explains them', async () => {
  const { readConfig } = await import(pathToFileURL(join(root, 'apps/controller/src/config.ts')).href);
  const documented = new Set(tableRows('docs/settings.md').map(([name = '']) => plain(name)));
  for (const name of OF_OTHER_PROGRAMS) {
    assert.ok(documented.has(name), `docs/settings.md does not explain ${name}`);
    assert.equal(readConfig({ [name]: 'x' }, []).kind, 'run', `the controller refuses ${name}`);
  }
});

test('the diagrams of docs/architecture.md have every phase of the channel, and no other', async () => {
  const drawn = [...readText('docs/architecture.md').matchAll(/```mermaid\nstateDiagram-v2\n([\s\S]*?)```/g)].map(
    ([, body = '']) => new Set([...body.matchAll(/^ {2}(\w+) -->|--> (\w+)/gm)].flatMap(([, a, b]) => a ?? b ?? [])),
  );
  const tables = [
    'packages/agent-core/src/session/transitions.ts',
    'apps/controller/src/channel/session-transitions.ts',
  ];
  for (const [index, path] of tables.entries()) {
    const { transitions } = await import(pathToFileURL(join(root, path)).href);
    assert.deepEqual([...(drawn[index] ?? [])].sort(), Object.keys(transitions).sort(), `the phases of ${path}`);
  }
});

test('the diagram of rooms in docs/architecture.md has every package and app', () => {
  const diagram = /```mermaid\nflowchart BT\n([\s\S]*?)```/.exec(readText('docs/architecture.md'))?.[1] ?? '';
  for (const { folder } of readPackages().filter(({ folder }) => /^(packages|apps)\//.test(folder))) {
    const name = folder.split('/')[1] ?? '';
    if (name !== 'testkit') assert.ok(diagram.includes(name), `docs/architecture.md does not draw ${folder}`);
  }
});

/** Variables that `sally` and the agents read, documented beside the controller's. */
const OF_OTHER_PROGRAMS = new Set([
  'SALLYPORT_ALLOW_UPGRADES',
  'SALLYPORT_BACKUP_PASSPHRASE',
  'SALLYPORT_BACKUP_PASSPHRASE_FILE',
  'SALLYPORT_CA_FILE',
  'SALLYPORT_PROVIDER_SECRET',
  'SALLYPORT_WIREGUARD_GO',
  'SALLYPORT_INSECURE',
  'SALLYPORT_TOKEN',
  'SALLYPORT_TOKEN_FILE',
  'SALLYPORT_URL',
  'SALLYPORT_API_KEY',
  'SALLYPORT_API_KEY_FILE',
  'SALLYPORT_DEBUG',
  'SALLYPORT_ENROLMENT_KEY',
  'SALLYPORT_ENROLMENT_KEY_FILE',
]);

/** The cells of all rows of a Markdown file's tables. */
function tableRows(path: string): string[][] {
  assert.ok(existsSync(join(root, path)), `${path} is missing: the documentation belongs to the code`);
  return readText(path)
    .split('\n')
    .filter((line) => /^\|/.test(line) && !/^\|[\s:|-]+\|$/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const plain = (cell: string) => cell.replaceAll('`', '').replaceAll('\\|', '|').trim();
