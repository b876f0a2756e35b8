import { join } from 'node:path';
import { version } from '@sallyport/program/place';
import { archiveName, folderName } from '@sallyport/release';
import { packArchive } from './archive.ts';
import { debName, writeDeb } from './deb.ts';
import { imageName, writeImage } from './image.ts';
import { type Document, programDocuments } from './man.ts';
import { type BuildOptions, help, readOptions } from './options.ts';
import { buildFolder } from './package-folder.ts';
import { releaseTime } from './release-time.ts';
import { readSigningKey, trustedKeys, writeSums } from './signing.ts';

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === null) {
    console.log(help);
    return;
  }
  for (const file of await build(options)) console.log(join(options.out, file));
}

/** Returns the names of what it made, in the folder of the results. */
async function build(options: BuildOptions): Promise<string[]> {
  const { out, processor } = options;
  const key = options.signingKeyFile === null ? null : readSigningKey(options.signingKeyFile);
  const trusted = trustedKeys(key, options.releaseKeyFile);
  const folder = folderName(version, processor);
  const documents = options.archive ? await programDocuments(releaseTime()) : [];
  await buildFolder(join(out, folder), { options, trusted, documents });
  if (!options.archive) return [folder];
  const files = await packFolder(folder, options, documents);
  return [folder, ...files, ...(await writeSums(out, files, key, trusted))];
}

async function packFolder(
  name: string,
  { out, processor, cache, deb, image }: BuildOptions,
  documents: readonly Document[],
): Promise<string[]> {
  const at = releaseTime();
  const folder = join(out, name);
  const files = [archiveName(version, processor)];
  await packArchive(out, name, join(out, archiveName(version, processor)), at);
  if (deb) {
    files.push(debName(version, processor));
    await writeDeb(join(out, debName(version, processor)), { folder, version, processor, at, documents });
  }
  if (image) {
    files.push(imageName(processor));
    await writeImage(join(out, imageName(processor)), { folder, processor, cache, at });
  }
  return files;
}

try {
  await main();
} catch (error) {
  console.error(`build: ${(error as Error).message}`);
  process.exitCode = 1;
}
