import { createPublicKey } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '@sallyport/program/place';
import { archiveName, folderName, type ReleaseKeyPair } from '@sallyport/release';
import { folderEntries } from '@sallyport/release/tar';
import { makeRelease, signRelease, writeXz } from '@sallyport/release/testing';
import { debName, writeDeb } from '../../../build/deb.ts';
import { releaseTime } from '../../../build/release-time.ts';
import { releaseKeyFile } from './fixtures.ts';
import { processor } from './world.ts';

/** Version of `nextRelease`. */
export const nextVersion = '1.0.0';

/**
 * Returns a folder with signed packages: the present programs under a higher version. They are made once for each build.
 *
 * @param build folder of `signedBuild`
 */
export async function nextRelease(build: string): Promise<string> {
  const out = join(build, 'next');
  if (existsSync(out)) return out;
  const partial = `${out}-partial`;
  rmSync(partial, { recursive: true, force: true });
  await writeNext(build, partial);
  renameSync(partial, out);
  return out;
}

async function writeNext(build: string, out: string): Promise<void> {
  const top = folderName(nextVersion, processor);
  const folder = join(out, top);
  mkdirSync(out, { recursive: true });
  cpSync(join(build, folderName(version, processor)), folder, { recursive: true });
  const manifest = JSON.stringify({ name: 'sallyport', version: nextVersion, type: 'module' });
  writeFileSync(join(folder, 'package.json'), manifest);
  const names = [archiveName(nextVersion, processor), debName(nextVersion, processor)] as const;
  await writeXz(join(out, names[0]), folderEntries(folder, top));
  await writeDeb(join(out, names[1]), { folder, version: nextVersion, processor, at: releaseTime(), documents: [] });
  signRelease(out, names, await testKey());
  rmSync(folder, { recursive: true });
}

/** Writes a small release into a folder that the hosts of these tests trust. Its agents do not even end when asked to. */
export async function brokenRelease(out: string, of: string): Promise<void> {
  const files = {
    'bin/sally': "#!/bin/sh\ntrap '' USR2 TERM\nwhile :; do sleep 1; done\n",
    'bin/node': '#!/bin/sh\necho v24.0.0\n',
  };
  await makeRelease(out, { version: of, files, key: await testKey() });
}

/** The key that signs the packages of these tests. */
export async function testKey(): Promise<ReleaseKeyPair> {
  const privateKey = readFileSync(await releaseKeyFile(), 'utf8');
  return { privateKey, publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString() };
}
