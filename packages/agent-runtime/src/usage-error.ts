/** Error in the command line, the environment, or a file that they name. The process ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
