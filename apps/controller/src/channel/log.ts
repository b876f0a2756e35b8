/** The part of a pino logger that the channel uses. */
export interface Log {
  readonly debug: (facts: object, text: string) => void;
  readonly info: (facts: object, text: string) => void;
  readonly warn: (facts: object, text: string) => void;
}

/** Logs that an agent was refused. A second host with the same token is worth a look. */
export function logRefusal(
  log: Log,
  role: string,
  facts: { readonly [name: string]: string | null; readonly code: string },
): void {
  if (facts.code === 'already-enrolled') log.warn(facts, `a second agent came with the token of an enrolled ${role}`);
  else log.info(facts, 'agent refused');
}

/** Logs that the connection of an agent failed here. */
export function logFailure(
  log: Log,
  {
    entry,
    address,
  }: { readonly entry: { readonly role: string; readonly id: string } | null; readonly address: string | null },
  err: unknown,
): void {
  const facts = entry === null ? {} : { [entry.role]: entry.id };
  log.warn({ err, ...facts, address }, 'the connection of an agent failed');
}
