/** Exit codes of `sally`. The help text is generated from this table. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  conflict: 5,
  unreachable: 6,
  differs: 7,
} as const;
/** One of the exit codes. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Meaning of each exit code for a script. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done',
  failed: 'failed, or a check found a problem',
  usage: 'wrong usage: an invalid command, option or value',
  notFound: 'the named object does not exist',
  notAllowed: 'no valid API key, or its role does not allow this',
  conflict: 'conflicts with an existing object, or the object has changed since it was read',
  unreachable: 'the controller cannot be reached',
  differs: 'apply --dry-run: the tenant differs from the file',
};

/** An error that ends a command. `text` and `hint` are for people and carry no secret. */
export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** What the user can do about it. */
  readonly hint: string | undefined;
  /** The problem document as received from the controller. */
  readonly problemText: string | undefined;

  constructor(exitCode: ExitCode, text: string, extra: { hint?: string | undefined; problemText?: string } = {}) {
    super(text);
    this.exitCode = exitCode;
    this.hint = extra.hint;
    this.problemText = extra.problemText;
  }
}

/** Ends a command with an exit code and prints nothing more. */
export class Finished extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super(`finished with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Creates the failure of a command line that cannot be carried out. */
export function usage(text: string, hint?: string): Failure {
  return new Failure(exitCodes.usage, text, { hint });
}
