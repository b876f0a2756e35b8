// Commands that only talk to the daemon need not load the agents' event loop.
export { UsageError } from '@sallyport/agent-runtime/command-line';

/** A command failed: exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
