import type { IncomingMessage } from 'node:http';
import { OperatorError } from '../errors.ts';
import type { Pieces } from './bytes.ts';
import { askOperator } from './operator-socket.ts';

/** Requests the content of a backup from the running controller over its operator socket. Throws OperatorError. */
export async function fetchSnapshot(dataDir: string, signal: AbortSignal): Promise<{ size: number; pieces: Pieces }> {
  const answer = await askOperator({ dataDir, path: '/backup', signal, doing: 'a backup is made' });
  return { size: Number(answer.headers['content-length'] ?? 0), pieces: whole(answer) };
}

/** Fails when the controller stops in the middle. */
async function* whole(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* answer;
  } catch (error) {
    throw new OperatorError(`the controller ended before the backup was whole (${(error as Error).message})`);
  }
}
