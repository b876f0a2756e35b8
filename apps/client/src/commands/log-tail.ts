/** From what a daemon wrote to its log after `from` bytes: the last failure, as a sentence. */
export function lastFailure(from: number): (log: string) => string {
  return (log) => {
    const lines = linesSince(log, from);
    const failures = lines.flatMap((line) => said(line, ['error']));
    return failures.at(-1) ?? lines.at(-1) ?? 'the daemon ended without a word';
  };
}

/** The same of a daemon that lives; null: it has not complained. */
export function lastComplaint(from: number): (log: string) => string | null {
  return (log) =>
    linesSince(log, from)
      .flatMap((line) => said(line, ['error', 'warn']))
      .at(-1) ?? null;
}

function linesSince(log: string, from: number): string[] {
  const lines = Buffer.from(log).subarray(from).toString().split('\n');
  return lines.filter((line) => line.trim() !== '');
}

/** Our own lines are JSON; what else ends a program it says in plain text. */
function said(line: string, levels: readonly string[]): string[] {
  try {
    const { level, message, reason } = JSON.parse(line) as Record<string, unknown>;
    if (!levels.includes(String(level))) return [];
    return [typeof reason === 'string' ? `${String(message)}: ${reason}` : String(message)];
  } catch {
    return [line.replace(/^sally( client)?: /, '')];
  }
}
