import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { http } from '@sallyport/program/http';
import { OperatorError } from '../errors.ts';
import type { Pieces } from './bytes.ts';

/** Requests the content of a backup from the running controller over its operator socket. Throws OperatorError. */
export async function fetchSnapshot(dataDir: string, signal: AbortSignal): Promise<{ size: number; pieces: Pieces }> {
  const socketPath = resolve(dataDir, 'operator.sock');
  const answer = await ask(socketPath, signal);
  if (answer.statusCode !== 200) throw new OperatorError(await refusal(answer));
  return { size: Number(answer.headers['content-length'] ?? 0), pieces: whole(answer) };
}

function ask(socketPath: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((done, reject) => {
    const sent = http.request({ socketPath, path: '/backup', agent: false, signal });
    sent.once('response', done);
    sent.once('error', (error: NodeJS.ErrnoException) =>
      reject(signal.aborted ? signal.reason : notReached(socketPath, error)),
    );
    sent.end();
  });
}

function notReached(socketPath: string, { code, message }: NodeJS.ErrnoException): OperatorError {
  const hint = 'a backup is made by the running controller, as its user; give its data directory with --data-dir';
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such socket',
    ECONNREFUSED: 'the controller is not running',
    EACCES: 'permission denied',
  };
  return new OperatorError(`cannot reach the controller at ${socketPath} (${reasons[code ?? ''] ?? message}): ${hint}`);
}

async function refusal(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part);
  try {
    const { detail, title } = JSON.parse(Buffer.concat(parts).toString('utf8'));
    return `the controller made no backup: ${detail ?? title}`;
  } catch {
    return `the controller made no backup: it answered with status ${answer.statusCode}; is it of this version?`;
  }
}

/** Fails when the controller stops in the middle. */
async function* whole(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* answer;
  } catch (error) {
    throw new OperatorError(`the controller ended before the backup was whole (${(error as Error).message})`);
  }
}
