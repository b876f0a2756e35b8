import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { otherResolvers, ResolvConf, stubAddress, withoutStub, withStub } from './resolv-conf.ts';

const before = '# by hand\nsearch corp.example\nnameserver 192.0.2.53\nnameserver fd00::53\noptions edns0\n';

async function file(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-resolv-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'resolv.conf');
  await writeFile(path, text);
  return path;
}

test('our lines come first, once, and taking them out restores every byte', () => {
  for (const text of [before, '', 'nameserver 192.0.2.1', withStub(before)]) {
    const once = withStub(text);
    assert.ok(once.split('\n')[1] === `nameserver ${stubAddress}`);
    assert.equal(withStub(once), once);
    assert.equal(withoutStub(once), withoutStub(text));
  }
  assert.equal(withoutStub(withStub(before)), before);
});

test('what other programs put before or after our lines stays', () => {
  assert.equal(withoutStub(`domain x\n${withStub(before)}`), `domain x\n${before}`);
});

test('the other resolvers are those of the file, and the local one where there are none', () => {
  assert.deepEqual(otherResolvers(withStub(before)), ['192.0.2.53', 'fd00::53']);
  assert.deepEqual(otherResolvers(withStub('nameserver nonsense\n')), ['127.0.0.1']);
  assert.equal(otherResolvers('nameserver 192.0.2.1\n'.repeat(9)).length, 3);
});

test('a file and the target of a link are replaced, and restored by another process', async (t) => {
  const path = await file(t, before);
  const link = `${path}.link`;
  await symlink(path, link);
  assert.equal(await new ResolvConf(link).add(), true);
  assert.equal(await new ResolvConf(path).add(), false);
  assert.equal(await readFile(link, 'utf8'), withStub(before));
  assert.equal(await new ResolvConf(link).remove(), true);
  assert.equal(await new ResolvConf(link).remove(), false);
  assert.equal(await readFile(path, 'utf8'), before);
});
