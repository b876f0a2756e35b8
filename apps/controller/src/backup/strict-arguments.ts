import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reads the words after the name of a command. Throws UsageError for what `config` does not declare. */
export function strictArguments<T extends ParseArgsConfig>(name: string, config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message.split('. ')[0]}`);
  }
}
