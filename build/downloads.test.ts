import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Download, fromCache } from './downloads.ts';

test('a download is made once, and again when its file in the cache is damaged', async (t) => {
  const cache = mkdtempSync(join(tmpdir(), 'sallyport-cache-'));
  t.after(() => rmSync(cache, { recursive: true, force: true }));
  let fetched = 0;
  const download: Download = {
    file: 'a-1.deb',
    algorithm: 'sha256',
    digest: createHash('sha256').update('good').digest('hex'),
    fetch: async (folder) => {
      fetched += 1;
      writeFileSync(join(folder, 'any'), 'good');
      return join(folder, 'any');
    },
    advice: 'Use --no-a.',
  };
  const file = await fromCache(cache, download);
  assert.equal(await fromCache(cache, download), file);
  assert.equal(fetched, 1);
  writeFileSync(file, 'bad');
  await fromCache(cache, download);
  assert.equal(readFileSync(file, 'utf8'), 'good');

  const forged = { ...download, file: 'b-1.deb', digest: '0'.repeat(64) };
  await assert.rejects(fromCache(cache, forged), /b-1\.deb has the sha256 [0-9a-f]{64} instead of 0{64}/);
  const offline = { ...forged, fetch: () => Promise.reject(new Error('no network')) };
  await assert.rejects(fromCache(cache, offline), /b-1\.deb could not be downloaded:\nno network\nUse --no-a\./);
  assert.deepEqual(readdirSync(cache), ['a-1.deb']);
});
