import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Puts a version beside others, as the install script lays them out, from the sources of this checkout: a copy of the
 * programs of a host, with links to installed modules. `main` replaces the main program of the gateway.
 */
export async function placeVersion(home: string, version: string, main?: string): Promise<void> {
  const folder = join(home, 'versions', version);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'sallyport', version, type: 'module' }));
  await cp(join(checkout, 'bin'), join(folder, 'bin'), { recursive: true });
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '@sallyport'), { recursive: true });
  for (const name of await readdir(join(checkout, 'node_modules')))
    if (name !== '@sallyport' && name !== '.cache')
      await symlink(join(checkout, 'node_modules', name), join(modules, name));
  for (const part of [...(await partsIn('packages')), 'apps/gateway', 'apps/client', 'apps/cli']) {
    await mkdir(join(folder, part), { recursive: true });
    await cp(join(checkout, part, 'package.json'), join(folder, part, 'package.json'));
    await cp(join(checkout, part, 'src'), join(folder, part, 'src'), { recursive: true });
    await symlink(join(folder, part), join(modules, '@sallyport', part.slice(part.indexOf('/') + 1)));
  }
  if (main !== undefined) await writeFile(join(folder, 'apps/gateway/src/main.ts'), main);
}

const partsIn = async (folder: string): Promise<string[]> =>
  (await readdir(join(checkout, folder))).map((name) => `${folder}/${name}`);

const checkout = dirname(fileURLToPath(new URL('../../../../package.json', import.meta.url)));
