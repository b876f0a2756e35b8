import { encode, renderUnicodeCompact } from 'uqr';
import type { Session } from './session.ts';

/**
 * Returns the text as a QR code for the terminal, two modules a line, or a sentence that says why not. It draws light
 * modules for dark terminals. With colour it sets both colours and suits any terminal.
 */
export function qrCode(text: string, session: Pick<Session, 'colour' | 'io'>): string {
  const options = { ecc: 'L', border: 2 } as const;
  let lines: string[];
  let width: number;
  try {
    width = encode(text, options).size;
    lines = renderUnicodeCompact(text, options).split('\n');
  } catch {
    return 'The configuration is too long for a QR code; use the file.\n';
  }
  const columns = session.io.stdout.columns ?? width;
  if (columns < width) return `The QR code needs a terminal of ${width} columns; this one has ${columns}.\n`;
  return lines.map((line) => (session.colour ? `\u001b[97;40m${line}\u001b[0m\n` : `${line}\n`)).join('');
}
