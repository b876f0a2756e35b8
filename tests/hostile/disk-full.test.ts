import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { SmallDisk } from './small-disk.ts';

test('a controller with a full disk reports it, loses nothing, and recovers when there is room', async (t) => {
  const disk = SmallDisk.mount(t, '8m');
  if (disk === null) return;
  const controller = await ControllerProcess.start(t, join(disk.path, 'data'));
  const headers = { apikey: controller.printedKey ?? '', 'content-type': 'application/json' };
  const call = async (method: string, path: string, body?: object) => {
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(controller.url + path, { method, headers, ...text });
    return { status: answer.status, json: JSON.parse(await answer.text()) };
  };
  const acknowledged: string[] = [];
  /** Writes until one is refused or `most` were accepted: a full disk may still have room in existing files. */
  const writeGroups = async (prefix: string, most: number) => {
    for (let count = 0; count < most; count++) {
      const name = `${prefix} ${count}`;
      const answer = await call('POST', '/tenants/groups', { name, roles: [], description: 'd'.repeat(200) });
      if (answer.status !== 201) return answer;
      acknowledged.push(name);
    }
    return null;
  };
  assert.equal(await writeGroups('before', 5), null);
  disk.fill();
  const refused = await writeGroups('full', 5_000);
  assert.deepEqual([refused?.status, refused?.json.code], [503, 'storage_full']);
  assert.equal((await call('GET', '/tenants/groups')).status, 200, 'it can be read');
  const ready = await call('GET', '/readyz');
  assert.deepEqual([ready.status, ready.json.code], [503, 'storage_full']);
  assert.match(controller.stderr, /nothing can be written: the disk that holds the database is full/);
  assert.match(controller.stderr, /database or disk is full/);
  assert.doesNotMatch(controller.stderr, /cannot rollback|no such savepoint/);
  disk.empty();
  assert.equal(await writeGroups('after', 5), null);
  assert.equal((await call('GET', '/readyz')).status, 200);
  const { json } = await call('GET', '/tenants/groups');
  assert.equal(json.total, acknowledged.length + 1, 'every acknowledged write, and the default group');
  assert.equal(await controller.kill('SIGTERM'), 0);
});
