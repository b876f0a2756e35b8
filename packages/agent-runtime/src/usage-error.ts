/** The command line, the environment or what they name is wrong: the process ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
