import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tellSetUp } from './set-up-file.ts';
import { ControllerProcess, testFolder } from './testing/controller-process.ts';

test('output that is no terminal holds no set-up link: a file holds it that only this user can read', async (t) => {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  const file = join(dataDir, 'set-up-link');
  assert.doesNotMatch(controller.stdout + controller.stderr, /spl_/);
  assert.match(controller.stdout, /Set-up +the link in \S+set-up-link/);
  assert.match(readFileSync(file, 'utf8'), /^http:\/\/localhost:\d+\/console\/link#spl_[\w-]{43}\n$/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('the file goes once there is no link, and a terminal needs none', (t) => {
  const folder = testFolder(t);
  const file = join(folder, 'set-up-link');
  for (const link of ['http://localhost/a', 'http://localhost/b']) {
    assert.match(tellSetUp(link, folder, false) ?? '', /the link in/);
    assert.equal(readFileSync(file, 'utf8'), `${link}\n`);
  }
  assert.equal(tellSetUp('http://localhost/c', folder, true), 'http://localhost/c');
  assert.equal(existsSync(file), false);
  tellSetUp('http://localhost/d', folder, false);
  assert.equal(tellSetUp(null, folder, false), null);
  assert.equal(existsSync(file), false);
});
