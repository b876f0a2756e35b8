/** Returns the last failure that a daemon logged after `from` bytes, as a sentence. */
export function lastFailure(from: number): (log: string) => string {
  return (log) => {
    const lines = linesSince(log, from);
    const failures = lines.flatMap((line) => said(line, ['error']));
    return failures.at(-1) ?? lines.at(-1) ?? 'the daemon ended without a message';
  };
}

/** Returns the same for a running daemon; null when it logged no failure. */
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

/** Log lines of the daemon are JSON; fatal errors of the runtime are plain text. */
function said(line: string, levels: readonly string[]): string[] {
  try {
    const { level, message, reason } = JSON.parse(line) as Record<string, unknown>;
    if (!levels.includes(String(level))) return [];
    return [typeof reason === 'string' ? `${String(message)}: ${reason}` : String(message)];
  } catch {
    return [line.replace(/^sally( client)?: /, '')];
  }
}
