import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { readCaFile } from '@sallyport/agent-runtime/ca-file';
import type { Netcheck } from '@sallyport/contract/local';
import { http } from '@sallyport/program/http';

type Answer = Pick<Netcheck['controller'], 'rttMs' | 'detail' | 'clockSkewMs'>;

/** Measures how long the controller takes to answer, and reads its time. `text` is the address as typed. */
export async function askController(text: string, caFile: string | null = null): Promise<Answer> {
  const url = httpUrl(text);
  if (url === null) return { rttMs: null, detail: 'its address is unknown', clockSkewMs: null };
  const rttMs = await openTime(url);
  if (rttMs === null)
    return {
      rttMs,
      detail: 'no TCP connection: check that it runs, and that no firewall blocks it',
      clockSkewMs: null,
    };
  try {
    const { status, date } = await health(url, caFile);
    return { rttMs, detail: `answers (${status})`, clockSkewMs: skewOf(date, Date.now()) };
  } catch (error) {
    return { rttMs, detail: `TCP works, HTTP fails: ${(error as Error).message}`, clockSkewMs: null };
  }
}

function health(url: URL, caFile: string | null): Promise<{ status: number; date: string | null }> {
  const options = { signal: AbortSignal.timeout(timeoutMs), agent: false as const };
  const trust = caFile === null ? {} : readCaFile(caFile);
  return new Promise((resolve, reject) => {
    const path = new URL('/healthz', url);
    const sent = url.protocol === 'https:' ? requestTls(path, { ...options, ...trust }) : http.request(path, options);
    sent.once('error', reject);
    sent.once('response', (answer) => {
      answer.destroy();
      resolve({ status: answer.statusCode ?? 0, date: answer.headers.date ?? null });
    });
    sent.end();
  });
}

const timeoutMs = 3_000;

/** Also accepts `ws`, `wss` and a bare host name. */
export function httpUrl(text: string): URL | null {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null) return null;
  const scheme = { 'ws:': 'http:', 'wss:': 'https:', 'http:': 'http:', 'https:': 'https:' }[url.protocol];
  return scheme === undefined ? null : URL.parse(`${scheme}//${url.host}`);
}

/** HTTP dates have whole seconds (RFC 9110 section 5.6.7), so a difference within one second is no skew. */
export function skewOf(date: string | null, now: number): number | null {
  const there = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(there)) return null;
  const ahead = now - there;
  return ahead >= -1_000 && ahead <= 2_000 ? 0 : ahead;
}

function openTime(url: URL): Promise<number | null> {
  return new Promise((resolve) => {
    const began = performance.now();
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port });
    const end = (rttMs: number | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(rttMs);
    };
    const timer = setTimeout(() => end(null), timeoutMs);
    socket.once('connect', () => end(Math.round((performance.now() - began) * 100) / 100));
    socket.on('error', () => end(null));
  });
}
