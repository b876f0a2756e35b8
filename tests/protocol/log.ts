import type { AppDeps } from '../../apps/controller/src/app.ts';

/** A line of the log. */
export interface LogLine {
  readonly level: 'warn' | 'error';
  readonly text: string;
  readonly facts: unknown;
}

/** Creates a logger that records warnings and errors as long as its process lives. */
export function collectLog(lines: LogLine[], lives: () => boolean = () => true): AppDeps['log'] {
  const keep = (level: LogLine['level']) => (facts: unknown, text?: string) => {
    if (!lives()) return;
    lines.push({ level, text: text ?? String(facts), facts });
  };
  const quiet = () => undefined;
  const log = { level: 'warn', trace: quiet, debug: quiet, info: quiet, silent: quiet };
  const whole = { ...log, warn: keep('warn'), error: keep('error'), fatal: keep('error'), child: () => whole };
  return whole as AppDeps['log'];
}
