import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '@sallyport/testkit';
import { HostResolvers } from './host-resolvers.ts';

test('the resolvers of the host are read again when the file is replaced, and a change is reported once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'resolv-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'resolv.conf');
  const replace = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  await replace('nameserver 10.0.0.1\n');
  let changes = 0;
  let now = 0;
  const changed = () => {
    changes += 1;
  };
  const resolvers = new HostResolvers({ now: () => now, changed, path, everyMs: 10 });
  t.after(() => resolvers.close());
  const addresses = async () => (await resolvers.list()).map(({ address }) => address);
  assert.deepEqual(await addresses(), ['10.0.0.1']);
  await replace('# written by DHCP\nnameserver 10.0.0.2\n');
  await until('the new resolver', () => changes === 1);
  assert.deepEqual(await addresses(), ['10.0.0.2']);
  await replace('# the same, at greater length\nnameserver 10.0.0.2\n');
  now += 1_000;
  assert.deepEqual(await addresses(), ['10.0.0.2']);
  assert.equal(changes, 1);
  await rm(path);
  await until('no resolver', async () => (await addresses()).length === 0);
  await until('the second change', () => changes === 2);
});
