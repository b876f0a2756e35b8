import { safeJson } from '@sallyport/contract/text';
import pino from 'pino';

/**
 * Lines of JSON. Fields that hold secrets are cut out wherever they stand, and characters that could deceive whoever
 * reads the log are escaped.
 */
export function createLog(level: string, lines: pino.DestinationStream): pino.Logger {
  const secret = ['apikey', 'token', 'authorization', 'cookie'];
  const paths = secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino({ level, redact: { paths, censor: '[secret]' } }, { write: (line) => lines.write(safeJson(line)) });
}

/** Standard error, written at once: a line is there before the process may end. */
export function standardError(): pino.DestinationStream {
  return pino.destination({ dest: 2, sync: true });
}
