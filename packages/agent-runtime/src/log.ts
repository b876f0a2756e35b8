import { jsonLine } from '@sallyport/contract/text';

/** Levels of log lines, from the most to the least detailed. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** Level of a log line. */
export type LogLevel = (typeof logLevels)[number];

/** Named values of a log line. They must not hold secrets. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Writes JSON lines. WARN is for events that may need an operator at night, ERROR for those that certainly do. Callers name
 * each field, so that no object with a secret is logged.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** `write` receives whole lines with a newline. `now` is in epoch milliseconds. */
export function createLog(level: LogLevel, write: (line: string) => void, now: () => number): Log {
  const least = logLevels.indexOf(level);
  const at = (index: number) => (message: string, fields?: LogFields) => {
    if (index < least) return;
    write(jsonLine({ time: new Date(now()).toISOString(), level: logLevels[index], message, ...fields }));
  };
  return { debug: at(0), info: at(1), warn: at(2), error: at(3) };
}
