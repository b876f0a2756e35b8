import type { IncomingMessage } from 'node:http';
import { request as requestTls } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { readCaFile } from '@sallyport/agent-runtime/ca-file';
import { http } from '@sallyport/program/http';
import type { ControllerAnswer } from './types.ts';

/** Asks a controller whether it is ready, and for its version. Rejects with the error of the connection. */
export async function askController(url: string, caFile: string | null): Promise<ControllerAnswer> {
  const trust = caFile === null ? {} : readCaFile(caFile);
  const ready = await get(new URL('/readyz', url), trust);
  const document = await get(new URL('/openapi.json', url), trust).catch(() => null);
  return { ...ready, version: versionOf(document?.body ?? '') };
}

/** Longest answer that is read. The document of the API has less than 2 MB. */
const mostBytes = 8 << 20;
const timeoutMs = 10_000;

interface Got extends Omit<ControllerAnswer, 'version'> {
  readonly body: string;
}

function get(url: URL, trust: object): Promise<Got> {
  const options = { signal: AbortSignal.timeout(timeoutMs), agent: false as const };
  return new Promise((resolve, reject) => {
    const sent = url.protocol === 'https:' ? requestTls(url, { ...options, ...trust }) : http.request(url, options);
    sent.once('error', reject);
    sent.once('response', (answer) => {
      const { statusCode: status = 0, headers, socket } = answer;
      const certificateEnds = endOf(socket as TLSSocket);
      const done = (body: string) => resolve({ status, date: headers.date ?? null, certificateEnds, body });
      read(answer, done, reject);
    });
    sent.end();
  });
}

function read(answer: IncomingMessage, done: (body: string) => void, fail: (error: Error) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  answer.on('data', (part: Buffer) => {
    parts.push(part);
    bytes += part.length;
    if (bytes > mostBytes) answer.destroy(new Error('the answer is too long'));
  });
  answer.once('error', fail);
  answer.once('end', () => done(Buffer.concat(parts).toString('utf8')));
}

function endOf(socket: TLSSocket): number | null {
  const end = Date.parse(socket.getPeerCertificate?.().valid_to ?? '');
  return Number.isNaN(end) ? null : end;
}

function versionOf(document: string): string | null {
  try {
    const { info } = JSON.parse(document) as { info?: { version?: unknown } };
    return typeof info?.version === 'string' && /^[\w.+-]{1,40}$/.test(info.version) ? info.version : null;
  } catch {
    return null;
  }
}
