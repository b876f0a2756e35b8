import { connect } from 'node:net';
import type { Netcheck } from '@sallyport/contract/local';

type Answer = Pick<Netcheck['controller'], 'rttMs' | 'detail' | 'clockSkewMs'>;

/** How long the controller takes to answer, and what time it has there. `text`: its address as people type it. */
export async function askController(text: string): Promise<Answer> {
  const url = httpUrl(text);
  if (url === null) return { rttMs: null, detail: 'its address is not known', clockSkewMs: null };
  const rttMs = await openTime(url);
  if (rttMs === null)
    return { rttMs, detail: 'no TCP connection: is it running, does a firewall stop it?', clockSkewMs: null };
  try {
    const answer = await fetch(new URL('/healthz', url), {
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'manual',
    });
    await answer.arrayBuffer();
    return { rttMs, detail: `answers (${answer.status})`, clockSkewMs: skewOf(answer.headers.get('date'), Date.now()) };
  } catch (error) {
    const { message, cause } = error as Error;
    return {
      rttMs,
      detail: `TCP works, HTTP fails: ${cause instanceof Error ? cause.message : message}`,
      clockSkewMs: null,
    };
  }
}

const timeoutMs = 3_000;

/** `ws` and `wss` are taken as well, and a bare host name. */
export function httpUrl(text: string): URL | null {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null) return null;
  const scheme = { 'ws:': 'http:', 'wss:': 'https:', 'http:': 'http:', 'https:': 'https:' }[url.protocol];
  return scheme === undefined ? null : URL.parse(`${scheme}//${url.host}`);
}

/** HTTP dates have whole seconds (RFC 9110 section 5.6.7): what lies within one is no skew. */
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
