import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { companionProgram, type ProgramName, pinnedReleaseKeys, programArguments, root } from './place.ts';

const starts: readonly [string, ProgramName][] = [
  ['controller run', 'controller'],
  ['gateway run', 'gateway'],
  ['gateway status', 'gateway'],
  ['client run', 'client'],
  ['up --foreground', 'client'],
  ['operator backup', 'backup'],
  ['gateways list', 'cli'],
];

test('bin/sally starts each program with the arguments that programs give each other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-place-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['bin', 'programs']) mkdirSync(join(folder, name));
  cpSync(join(root, 'bin/sally'), join(folder, 'bin/sally'));
  writeFileSync(join(folder, 'bin/node'), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
  chmodSync(join(folder, 'bin/node'), 0o755);
  for (const [command, name] of starts) {
    const { stdout } = await promisify(execFile)(join(folder, 'bin/sally'), command.split(' '));
    const given = stdout.split('\n');
    const program = given.findIndex((argument) => argument.endsWith('.js'));
    assert.equal(basename(given[program] ?? ''), `${name}.js`, command);
    assert.deepEqual(given.slice(0, program), programArguments(name).slice(0, -1), command);
  }
});

test('a package knows its own wireguard-go and release keys, a checkout has none', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-place-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  assert.equal(companionProgram('wireguard-go'), null);
  assert.equal(pinnedReleaseKeys(), null);
  assert.equal(companionProgram('wireguard-go', folder), null);
  assert.equal(pinnedReleaseKeys(folder), null);
  writeFileSync(join(folder, 'wireguard-go'), '');
  writeFileSync(join(folder, 'release-key.pem'), 'keys');
  assert.equal(companionProgram('wireguard-go', folder), join(folder, 'wireguard-go'));
  assert.equal(pinnedReleaseKeys(folder), 'keys');
});
