import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddedDatabase } from '../db/open.ts';
import { ApiError, OperatorError } from '../errors.ts';
import { syncDirectory } from '../secrets/master-key.ts';
import { attempt } from '../system-error.ts';
import { type Cost, seal } from './container.ts';
import { Snapshots } from './snapshot.ts';
import { writeWhole } from './write.ts';

/** What the backup before an upgrade is made from. */
export interface UpgradeSource {
  readonly database: EmbeddedDatabase;
  readonly dataDir: string;
  readonly masterKeyFile: string;
  /** Version that wrote the schema, or `older` when the database does not tell. */
  readonly from: string;
  /** Version of this program. */
  readonly to: string;
  readonly now: () => number;
}

/**
 * Writes a backup for the older program, before this program migrates the database, and returns its path. The text of the
 * master key is the passphrase, so that the file gives nothing away where it lies, and needs no question at the start.
 * The file has its final name once it is complete on the disk. Keeps the newest backups. Throws OperatorError.
 */
export async function backUpBeforeUpgrade(source: UpgradeSource): Promise<string> {
  const { database, dataDir, masterKeyFile, from, to, now } = source;
  const folder = join(dataDir, upgradeFolder);
  attempt(`${folder} cannot be made`, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    syncDirectory(dataDir);
    removePartial(folder);
  });
  const file = join(folder, nameOf(from, to, now()));
  const passphrase = attempt(`${masterKeyFile} cannot be read`, () => firstLine(masterKeyFile));
  try {
    const { pieces, discard } = await new Snapshots({ database, dataDir, masterKeyFile, version: from, now }).take();
    try {
      await writeWhole(file, seal(pieces, passphrase, cheap), true);
    } finally {
      await discard();
    }
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof OperatorError)) throw error;
    throw new OperatorError(
      `the database was not upgraded from ${from} to ${to}, because the backup before it failed: ${error.message}`,
    );
  }
  removeOld(folder, file, `from-${from}-to-${to}-`);
  return file;
}

/** Folder in the data directory that holds the backups. */
export const upgradeFolder = 'before-upgrade';

/** Work of scrypt: a random key of 256 bits needs no slow derivation. */
const cheap: Cost = { logN: 10, r: 8, p: 1 };

/** Backups of this many upgrades are kept. */
const keptUpgrades = 3;

const nameOf = (from: string, to: string, at: number): string =>
  `from-${from}-to-${to}-${new Date(at).toISOString().replace(/[:.]/g, '-')}.backup`;

/** As `--passphrase-file` reads it. */
const firstLine = (file: string): string => readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '';

/** Removes what a killed program left. */
function removePartial(folder: string): void {
  for (const name of readdirSync(folder)) if (name.endsWith('.partial')) rmSync(join(folder, name), { force: true });
}

/** Keeps one backup of each upgrade: an upgrade that fails at every start must not displace those of other upgrades. */
function removeOld(folder: string, kept: string, sameUpgrade: string): void {
  const others = readdirSync(folder).filter((name) => name.endsWith('.backup') && join(folder, name) !== kept);
  const [same, older] = [true, false].map((is) => others.filter((name) => name.startsWith(sameUpgrade) === is));
  const stamp = (name: string): string => name.slice(-'2026-11-29T12-00-00-000Z.backup'.length);
  const surplus = (older ?? []).sort((a, b) => (stamp(a) < stamp(b) ? 1 : -1)).slice(keptUpgrades - 1);
  for (const name of [...(same ?? []), ...surplus])
    attempt(`${name} cannot be removed`, () => rmSync(join(folder, name), { force: true }));
}
