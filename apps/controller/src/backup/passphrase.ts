import { openSync, readFileSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { OperatorError } from '../errors.ts';
import { attempt } from '../system-error.ts';

/**
 * Sources of a passphrase, best first; otherwise it is asked for on the terminal. The command line is never a source.
 */
export interface PassphraseSources {
  readonly file: string | null;
  readonly environment: string | null;
}

const shortest = 8;

/** Returns the passphrase of a new backup. A typed one is asked for twice. Throws OperatorError. */
export async function newPassphrase(sources: PassphraseSources): Promise<string> {
  const given = givenPassphrase(sources);
  const passphrase = given ?? (await readHidden('Passphrase for the backup: '));
  if (passphrase.length < shortest)
    throw new OperatorError(
      `the passphrase needs at least ${shortest} characters; or leave the backup readable with --plain`,
    );
  if (given === null && (await readHidden('Once more: ')) !== passphrase)
    throw new OperatorError('the two passphrases differ: nothing was written');
  return passphrase;
}

/** Returns the passphrase of an existing backup. Throws OperatorError. */
export async function knownPassphrase(sources: PassphraseSources): Promise<string> {
  return givenPassphrase(sources) ?? (await readHidden('Passphrase of the backup: '));
}

function givenPassphrase({ file, environment }: PassphraseSources): string | null {
  if (file === null) return environment;
  const text = attempt(`the passphrase file ${file} cannot be read`, () => readFileSync(file, 'utf8'));
  return text.split(/\r?\n/, 1)[0] ?? '';
}

/** Asks on the terminal, even when standard input and output are redirected, and hides the typed text. */
async function readHidden(question: string): Promise<string> {
  const terminal = openTerminal();
  const input = new ReadStream(terminal);
  input.setRawMode(true);
  try {
    writeSync(terminal, question);
    return await readLine(input);
  } finally {
    input.setRawMode(false);
    writeSync(terminal, '\n');
    input.destroy();
  }
}

function openTerminal(): number {
  try {
    return openSync('/dev/tty', 'r+');
  } catch {
    throw new OperatorError(
      'there is no terminal to ask for the passphrase on: give it with --passphrase-file or SALLYPORT_BACKUP_PASSPHRASE',
    );
  }
}

/** Does not close the terminal. */
function readLine(input: ReadStream): Promise<string> {
  return new Promise((done, reject) => {
    let typed = '';
    input.once('error', reject);
    input.once('end', () => done(typed));
    input.setEncoding('utf8').on('data', (chunk) => {
      for (const character of String(chunk)) {
        if (character === '\r' || character === '\n') return done(typed);
        if (character === '\u0003' || character === '\u0004') return reject(new OperatorError('cancelled'));
        typed = character === '\u007f' || character === '\b' ? typed.slice(0, -1) : typed + character;
      }
    });
  });
}
