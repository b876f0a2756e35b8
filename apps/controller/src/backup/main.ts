import { createReadStream, mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanLines } from '@sallyport/contract/text';
import { stopRequested } from '@sallyport/program';
import { parseCopy } from '../copy/arguments.ts';
import { carryOutCopy } from '../copy/command.ts';
import { OperatorError } from '../errors.ts';
import { listReplicas, parseReplicas } from '../replicas/command.ts';
import { parseRotation } from '../rotation/arguments.ts';
import { rotateKey } from '../rotation/command.ts';
import { isSystemError, systemReason } from '../system-error.ts';
import { type Command, helpText, parseCommand } from './arguments.ts';
import type { Pieces } from './bytes.ts';
import { type AskPassphrase, seal } from './container.ts';
import { fetchSnapshot } from './fetch.ts';
import { knownPassphrase, newPassphrase } from './passphrase.ts';
import { restore } from './restore.ts';
import { stage } from './stage.ts';
import { UsageError } from './strict-arguments.ts';
import { contentsText, megabytes, Progress, restoredText } from './tell.ts';
import { refuseTaken, writeStream, writeWhole } from './write.ts';

const { SALLYPORT_BACKUP_PASSPHRASE: environment = null } = process.env;
const stopped = new AbortController();
void stopRequested(process, {
  closedOutput: 'continue',
  write: (text) => writeSync(2, text),
  left: () => 'Unfinished files, whose names end in .partial, may be left. Remove them; nothing reads them.\n',
}).then(() => stopped.abort(new OperatorError('stopped before the end')));

process.exitCode = await main(process.argv.slice(2));
process.exit();

async function main(args: readonly string[]): Promise<number> {
  try {
    const rotation = parseRotation(args, process.env.SALLYPORT_DATA_DIR);
    const replicas = parseReplicas(args, process.env.SALLYPORT_DATA_DIR);
    const copy = parseCopy(args, process.env);
    if (rotation !== null) process.stdout.write(await rotateKey(rotation, stopped.signal));
    else if (replicas !== null) process.stdout.write(await listReplicas(replicas, stopped.signal));
    else if (copy !== null) process.stdout.write(await carryOutCopy(copy));
    else
      await carryOut(
        parseCommand(args, {
          dataDir: process.env.SALLYPORT_DATA_DIR,
          passphraseFile: process.env.SALLYPORT_BACKUP_PASSPHRASE_FILE,
          masterKeyFile: process.env.SALLYPORT_MASTER_KEY_FILE,
        }),
      );
    return 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    if (!usage && !(error instanceof OperatorError)) throw error;
    const exitCode = usage ? 2 : 1;
    const text = args.includes('--json')
      ? JSON.stringify({ title: error.message, exitCode })
      : `sally: ${error.message}`;
    process.stderr.write(cleanLines(`${text}\n`));
    return exitCode;
  }
}

async function carryOut(command: Command): Promise<void> {
  if (command.kind === 'help') return void process.stdout.write(helpText);
  if (command.kind === 'backup') return makeBackup(command);
  if (command.kind === 'verify' || command.dryRun) return check(command);
  const { file, passphraseFile, json } = command;
  const ask: AskPassphrase = () => knownPassphrase({ file: passphraseFile, environment });
  const restored = await restore(readFrom(file), { ...command, now: new Date() }, ask);
  process.stdout.write(json ? `${JSON.stringify(restored)}\n` : restoredText(restored, command.dataDir));
}

async function makeBackup(command: Extract<Command, { kind: 'backup' }>): Promise<void> {
  const { file, dataDir, passphraseFile, plain, force, json } = command;
  const toStdout = file === '-';
  if (toStdout && process.stdout.isTTY)
    throw new UsageError('backup: standard output is a terminal; send it to a file or program');
  if (!toStdout) refuseTaken(file, force);
  const passphrase = plain ? null : await newPassphrase({ file: passphraseFile, environment });
  const progress = new Progress(process.stderr);
  try {
    progress.show('Copying the database…');
    const { size, pieces } = await fetchSnapshot(dataDir, stopped.signal);
    const sealed = untilStopped(seal(progress.follow(pieces, size), passphrase));
    const bytes = toStdout ? await writeStream(process.stdout, sealed) : await writeWhole(file, sealed, force);
    progress.clear();
    const result = { file, bytes, encrypted: !plain };
    if (json && !toStdout) process.stdout.write(`${JSON.stringify(result)}\n`);
    else if (!toStdout)
      process.stdout.write(
        `Backup written to ${file} (${megabytes(bytes)}, ${plain ? 'readable by everybody who has the file' : 'encrypted'}).\nCheck it with: sally operator backup --verify ${file}\n`,
      );
  } finally {
    progress.clear();
  }
}

/** Unpacks into a temporary folder, because checking the database takes a file. */
async function check({ file, passphraseFile, json }: Extract<Command, { kind: 'verify' | 'restore' }>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-backup-'));
  try {
    const contents = await stage(readFrom(file), folder, () => knownPassphrase({ file: passphraseFile, environment }));
    process.stdout.write(json ? `${JSON.stringify(contents)}\n` : `The backup is whole.\n${contentsText(contents)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function* readFrom(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* untilStopped(file === '-' ? process.stdin : createReadStream(file));
  } catch (error) {
    throw isSystemError(error) ? new OperatorError(`${file} cannot be read: ${systemReason(error)}`) : error;
  }
}

async function* untilStopped(pieces: Pieces): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    stopped.signal.throwIfAborted();
    yield piece;
  }
}
