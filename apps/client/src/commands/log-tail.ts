/** From what a daemon wrote to its log after `from` bytes: the last failure, as a sentence. */
export function lastFailure(from: number): (log: string) => string {
  return (log) => {
    const lines = Buffer.from(log)
      .subarray(from)
      .toString()
      .split('\n')
      .filter((line) => line.trim() !== '');
    const failures = lines.flatMap(failureOf);
    return failures.at(-1) ?? lines.at(-1) ?? 'the daemon ended without a word';
  };
}

/** Our own lines are JSON; what else ends a program it says in plain text. */
function failureOf(line: string): string[] {
  try {
    const { level, message, reason } = JSON.parse(line) as Record<string, unknown>;
    if (level !== 'error') return [];
    return [typeof reason === 'string' ? `${String(message)}: ${reason}` : String(message)];
  } catch {
    return [line.replace(/^sally( client)?: /, '')];
  }
}
