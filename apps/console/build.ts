import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

/*
 * Builds the console: node apps/console/build.ts. The result takes the place of an older one only once it is whole, because
 * a controller may be serving that.
 */
const folder = import.meta.dirname;
const made = join(folder, 'dist', `app-${process.pid}`);
const target = join(folder, 'dist', 'app');
const old = join(folder, 'dist', `old-${process.pid}`);

try {
  await build({ root: folder, logLevel: 'warn', build: { outDir: made, emptyOutDir: true } });
  compressAll(made);
  if (process.argv[2] !== undefined) writeFileSync(join(made, 'fingerprint'), process.argv[2]);
  if (existsSync(target)) renameSync(target, old);
  renameSync(made, target);
} finally {
  for (const left of [made, old]) rmSync(left, { recursive: true, force: true });
}

/** Puts a gzip and a Brotli form beside each file that gets smaller by it: a request then costs no compression. */
function compressAll(at: string): void {
  for (const entry of readdirSync(at, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(js|css|svg|html)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const content = readFileSync(path);
    const forms = {
      gz: gzipSync(content, { level: 9 }),
      br: brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    };
    for (const [ending, form] of Object.entries(forms))
      if (form.length < content.length) writeFileSync(`${path}.${ending}`, form);
  }
}
