/** The part of a pino logger that the channel uses. */
export interface Log {
  readonly debug: (facts: object, text: string) => void;
  readonly info: (facts: object, text: string) => void;
  readonly warn: (facts: object, text: string) => void;
}

/** Logs that an agent was refused. A second host with the token of another one is worth a look. */
export function logRefusal(log: Log, role: string, facts: { readonly [name: string]: string | null; readonly code: string }): void {
  if (facts.code === 'already-enrolled') log.warn(facts, `a second agent came with the token of an enrolled ${role}`);
  else log.info(facts, 'agent refused');
}
