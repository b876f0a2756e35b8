import net from 'node:net';

/**
 * A load client with little overhead: prebuilt requests over keep-alive sockets. It counts answers by their
 * Content-Length and does not parse them. It is bounded in time; every unexpected status is an error.
 */
export async function load(options: {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  readonly request: () => string;
  readonly expect: number;
}): Promise<number> {
  const end = performance.now() + options.durationMs;
  const from = performance.now();
  const counts = await Promise.all(Array.from({ length: options.connections }, () => connection(options, end)));
  return (counts.reduce((sum, count) => sum + count, 0) / (performance.now() - from)) * 1000;
}

function connection(options: Parameters<typeof load>[0], end: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(options.port, '127.0.0.1');
    socket.setNoDelay(true);
    let count = 0;
    let missing = 0;
    let head: Buffer = Buffer.alloc(0);
    const next = () => {
      if (performance.now() >= end) {
        socket.end();
        resolve(count);
      } else socket.write(options.request());
    };
    const take = (data: Buffer): void => {
      if (missing > 0) {
        missing -= data.length;
      } else {
        head = head.length === 0 ? data : Buffer.concat([head, data]);
        const headEnd = head.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const text = head.toString('latin1', 0, headEnd);
        if (!text.startsWith(`HTTP/1.1 ${options.expect} `)) throw new Error(head.toString());
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
        if (Number.isNaN(length)) throw new Error(`no Content-Length in: ${text}`);
        missing = length - (head.length - headEnd - 4);
        head = Buffer.alloc(0);
      }
      if (missing > 0) return;
      missing = 0;
      count++;
      next();
    };
    socket.on('data', (data) => {
      try {
        take(data);
      } catch (error) {
        socket.destroy();
        reject(error);
      }
    });
    socket.on('error', reject);
    socket.on('connect', next);
  });
}

/** Returns the text of an HTTP/1.1 request. */
export function requestText(method: string, path: string, headers: Record<string, string>, body = ''): string {
  const all = {
    host: 'localhost',
    ...headers,
    ...(method === 'GET'
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
  };
  const lines = Object.entries(all).map(([key, value]) => `${key}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}
