import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { http } from '@sallyport/program/http';
import { OperatorError } from '../errors.ts';

/** A request to the running controller over its operator socket. */
export interface OperatorRequest {
  readonly dataDir: string;
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly signal: AbortSignal;
  /** What only the running controller does, for messages: `a backup is made`. */
  readonly doing: string;
}

/** Sends a request. Resolves with the answer to a request that succeeds. Throws OperatorError. */
export async function askOperator(request: OperatorRequest): Promise<IncomingMessage> {
  const answer = await send(request);
  if (answer.statusCode !== 200) throw new OperatorError(await refusal(answer));
  return answer;
}

/** Sends a request whose answer is JSON, and returns that. Throws OperatorError. */
export async function askJson<T>(request: OperatorRequest): Promise<T> {
  const answer = await askOperator(request);
  return JSON.parse(await textOf(answer)) as T;
}

function send({ dataDir, method = 'GET', path, signal, doing }: OperatorRequest): Promise<IncomingMessage> {
  const socketPath = resolve(dataDir, 'operator.sock');
  return new Promise((done, reject) => {
    const sent = http.request({ socketPath, method, path, agent: false, signal });
    sent.once('response', done);
    sent.once('error', (error: NodeJS.ErrnoException) =>
      reject(signal.aborted ? signal.reason : notReached(socketPath, doing, error)),
    );
    sent.end();
  });
}

function notReached(socketPath: string, doing: string, { code, message }: NodeJS.ErrnoException): OperatorError {
  const hint = `${doing} by the running controller, as its user; give its data directory with --data-dir`;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such socket',
    ECONNREFUSED: 'the controller is not running',
    EACCES: 'permission denied',
  };
  return new OperatorError(`cannot reach the controller at ${socketPath} (${reasons[code ?? ''] ?? message}): ${hint}`);
}

async function refusal(answer: IncomingMessage): Promise<string> {
  const text = await textOf(answer);
  try {
    const { detail, title } = JSON.parse(text);
    return `the controller refused: ${detail ?? title}`;
  } catch {
    return `the controller refused: it answered with status ${answer.statusCode}; is it of this version?`;
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  try {
    for await (const part of answer) parts.push(part);
  } catch (error) {
    throw new OperatorError(`the controller ended before its answer was whole (${(error as Error).message})`);
  }
  return Buffer.concat(parts).toString('utf8');
}
