/** Exit codes of `sally`; the help text is made from this table. */
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
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What each exit code tells a script. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done',
  failed: 'failed, or a check found something wrong',
  usage: 'wrong usage: a command, an option or a value that is not accepted',
  notFound: 'the named object does not exist',
  notAllowed: 'no valid API key, or its role does not allow this',
  conflict: 'in conflict with what exists, or the object has changed since it was read',
  unreachable: 'the controller cannot be reached',
  differs: 'apply --dry-run: the tenant is not as the file says',
};

/** Everything that ends a command without success. `text` and `hint` are for people and carry no secret. */
export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** The problem document as the controller sent it. */
  readonly problemText: string | undefined;

  constructor(exitCode: ExitCode, text: string, extra: { hint?: string | undefined; problemText?: string } = {}) {
    super(text);
    this.exitCode = exitCode;
    this.hint = extra.hint;
    this.problemText = extra.problemText;
  }
}

/** Ends a command with an exit code, everything having been said already. */
export class Finished extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super(`finished with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** A command line that cannot be carried out as it stands. */
export function usage(text: string, hint?: string): Failure {
  return new Failure(exitCodes.usage, text, { hint });
}
