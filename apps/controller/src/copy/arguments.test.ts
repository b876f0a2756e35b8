import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testFolder } from '../testing/controller-process.ts';
import { parseCopy } from './arguments.ts';

const parsed = (env: Record<string, string>) => parseCopy(['copy-database', '--to'], env);

test('a copy takes both URLs of the database, from the environment or from files', (t) => {
  const file = join(testFolder(t), 'url');
  writeFileSync(file, 'postgres://u@one/x\n');
  const pooled = parsed({ SALLYPORT_DATABASE_URL: 'postgres://u@pool/x', SALLYPORT_DATABASE_DIRECT_URL_FILE: file });
  assert.deepEqual([pooled?.url, pooled?.directUrl], ['postgres://u@pool/x', 'postgres://u@one/x']);
  const plain = parsed({ SALLYPORT_DATABASE_URL_FILE: file });
  assert.deepEqual([plain?.url, plain?.directUrl], ['postgres://u@one/x', null]);
  assert.throws(
    () => parsed({ SALLYPORT_DATABASE_DIRECT_URL: 'postgres://u@one/x' }),
    /set SALLYPORT_DATABASE_URL_FILE/,
  );
  const gone = { SALLYPORT_DATABASE_URL_FILE: file, SALLYPORT_DATABASE_DIRECT_URL_FILE: `${file}.gone` };
  assert.throws(() => parsed(gone), /SALLYPORT_DATABASE_DIRECT_URL_FILE: .*gone cannot be read/);
});
