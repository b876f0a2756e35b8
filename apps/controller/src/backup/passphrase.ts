import { openSync, readFileSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { OperatorError } from '../errors.ts';
import { attempt } from '../system-error.ts';

/** Where a passphrase may come from, best first; else it is asked for on the terminal. Never the command line. */
export interface PassphraseSources {
  readonly file: string | null;
  readonly environment: string | null;
}

const shortest = 8;

/** The passphrase of a new backup. Typed ones are asked for twice. Throws OperatorError. */
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

/** The passphrase of a backup that exists. Throws OperatorError. */
export async function knownPassphrase(sources: PassphraseSources): Promise<string> {
  return givenPassphrase(sources) ?? (await readHidden('Passphrase of the backup: '));
}

function givenPassphrase({ file, environment }: PassphraseSources): string | null {
  if (file === null) return environment;
  const text = attempt(`the passphrase file ${file} cannot be read`, () => readFileSync(file, 'utf8'));
  return text.split(/\r?\n/, 1)[0] ?? '';
}

/** Asks on the terminal, whatever standard input and output are, and does not show what is typed. */
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
