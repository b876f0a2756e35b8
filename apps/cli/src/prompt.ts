import { exitCodes, Failure } from './failure.ts';
import type { Io } from './session.ts';

/** Asks for a secret on the terminal without showing what is typed. Ctrl-C and Ctrl-D end it with a `Failure`. */
export async function readHidden(io: Pick<Io, 'stdin' | 'stderr'>, question: string): Promise<string> {
  // Before the question: whoever answers at once must not be echoed.
  io.stdin.setRawMode?.(true);
  try {
    io.stderr.write(question);
    let typed = '';
    for await (const chunk of io.stdin)
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n') return typed;
        if (character === '\u0003' || character === '\u0004') throw new Failure(exitCodes.failed, 'Cancelled');
        typed = character === '\u007f' || character === '\b' ? typed.slice(0, -1) : typed + character;
      }
    return typed;
  } finally {
    io.stdin.setRawMode?.(false);
    io.stderr.write('\n');
  }
}

/** Asks on the terminal, and gives the line that is typed; empty at its end. */
export async function ask(io: Pick<Io, 'stdin' | 'stderr'>, question: string): Promise<string> {
  io.stderr.write(question);
  let typed = '';
  for await (const chunk of io.stdin) {
    typed += chunk.toString('utf8');
    const end = typed.search(/[\r\n]/);
    if (end !== -1) return typed.slice(0, end);
  }
  return typed;
}
