import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assetFolder, type ProgramName, programSources, root, version } from '@sallyport/program/place';
import { rolldown } from 'rolldown';

/** What a bundle is made of. */
export interface Bundle {
  /** Folders of the libraries whose code is in it, relative to the root: `node_modules/zod`. */
  readonly libraries: readonly string[];
}

/**
 * Writes every program with all its libraries into `folder`, which must be empty: a few files of JavaScript that share
 * their parts, and what they read. `packages/program/src/place.ts` knows the layout.
 */
export async function writeBundle(folder: string): Promise<Bundle> {
  const libraries = await writePrograms(join(folder, 'programs'));
  cpSync(assetFolder('migrations'), join(folder, 'assets/migrations'), { recursive: true });
  cpSync(assetFolder('console'), join(folder, 'assets/console'), { recursive: true });
  copyApiViewer(join(folder, 'assets/api-viewer'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name: 'sallyport', version, type: 'module' })}\n`);
  return { libraries };
}

async function writePrograms(folder: string): Promise<string[]> {
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(Object.entries(programSources).map(([name, path]) => [name, join(root, path)])),
    platform: 'node',
    transform: { define: { SALLYPORT_BUNDLED: 'true' } },
    // A library that cannot be found would fail at run time, on somebody else's machine.
    onwarn: (warning) => {
      if (warning.code === 'UNRESOLVED_IMPORT') throw new Error(warning.message);
    },
  });
  try {
    const { output } = await build.write({
      dir: folder,
      format: 'esm',
      // One other character anywhere, and V8 would keep two bytes for each character of the file.
      charset: 'ascii',
      entryFileNames: '[name].js',
      chunkFileNames: 'part-[hash].js',
      // Names stay, because stack traces are read by people. Notices in comments have a file of their own.
      minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
      comments: false,
    });
    const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
    writeFileSync(join(folder, 'NOTICES.txt'), noticesIn(modules));
    return [...new Set(modules.flatMap(libraryOf))].sort();
  } finally {
    await build.close();
  }
}

/** Returns the notices of authors in the comments of libraries, which the code of the package does not have. */
function noticesIn(modules: readonly string[]): string {
  const sources = modules.filter((module) => libraryOf(module).length > 0).sort();
  const notices = sources.flatMap((module) => {
    const found = readFileSync(module, 'utf8').match(
      /\/\*![\s\S]*?\*\/|^\s*\/\/!.*$|\/\*\*[^/]*?@(license|preserve)[\s\S]*?\*\//gm,
    );
    return found ?? [];
  });
  return `${[...new Set(notices.map((notice) => notice.trim()))].join('\n\n')}\n`;
}

/** Folder of the library that a module belongs to, relative to the root; none for our own. */
function libraryOf(module: string): string[] {
  const path = module.startsWith(root) ? module.slice(root.length + 1) : module;
  const [found] = /^(.*\bnode_modules\/(@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
  return found === undefined ? [] : [found.slice(0, -1)];
}

const apiViewerFiles = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];

function copyApiViewer(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of apiViewerFiles)
    writeFileSync(join(folder, name), readFileSync(join(assetFolder('api-viewer'), name)));
}

/** Names of the programs in a bundle. */
export const programNames = Object.keys(programSources) as ProgramName[];
