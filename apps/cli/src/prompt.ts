import { exitCodes, Failure } from './failure.ts';
import type { Io } from './session.ts';

/** Asks for a secret on the terminal without echo. Ctrl-C and Ctrl-D end it with a `Failure`. */
export async function readHidden(io: Pick<Io, 'stdin' | 'stderr'>, question: string): Promise<string> {
  // Echo ends before the question, so that an early answer is not shown.
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

/** Asks on the terminal and returns the typed line; empty at the end of input. */
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
