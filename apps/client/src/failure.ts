/**
 * The command line or what it names is wrong: exit code 2. A class of its own, with the name of the one of the agents' event
 * loop, so that commands that only talk to the daemon need not load that.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A command could not be carried out: exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
