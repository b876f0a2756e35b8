// Exit code 0 when node_modules holds what package-lock.json names, in the locked versions; 1 when not.
// `start` asks for what runs in production, `test` for the development packages as well.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface LockEntry {
  version?: string;
  link?: boolean;
  optional?: boolean;
  dev?: boolean;
  devOptional?: boolean;
  bin?: Record<string, string>;
}

const profile = process.argv[2];

function isInstalled(path: string, entry: LockEntry): boolean {
  if (entry.link) return existsSync(path);
  const manifest = join(path, 'package.json');
  if (!existsSync(manifest)) return entry.optional === true || (profile === 'start' && isForDevelopment(entry));
  if (JSON.parse(readFileSync(manifest, 'utf8')).version !== entry.version) return false;
  const binFolder = join(path.slice(0, path.lastIndexOf('node_modules/')), 'node_modules/.bin');
  return Object.keys(entry.bin ?? {}).every((name) => existsSync(join(binFolder, name)));
}

function isForDevelopment({ dev, devOptional }: LockEntry): boolean {
  return dev === true || devOptional === true;
}

const lock: { packages: Record<string, LockEntry> } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const whole = Object.entries(lock.packages).every(
  ([path, entry]) => !path.includes('node_modules/') || isInstalled(path, entry),
);
process.exitCode = whole ? 0 : 1;
