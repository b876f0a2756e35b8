import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { Backend, BalancerOrder } from './balancer.ts';

// A load balancer as an operator would configure one: HTTP and WebSockets, to those servers that answer /readyz. It takes
// orders from the process that started it.

const lookMs = 200;
const readyTimeoutMs = 1_000;

let backends: readonly Backend[] = [];
let allowed: ReadonlySet<string> | null = null;
const ready = new Set<string>();
let turn = 0;

process.on('message', ({ id, order }: { id: number; order: BalancerOrder }) => {
  void obey(order).then(() => process.send?.({ id }));
});
process.on('disconnect', () => process.exit(0));

async function obey(order: BalancerOrder): Promise<void> {
  if (order.kind === 'use') {
    allowed = order.names === null ? null : new Set(order.names);
    return;
  }
  backends = order.backends;
  for (const backend of backends) void watch(backend);
  const server = http.createServer((request, answer) => void serve(request, answer));
  server.on('upgrade', (request, socket, head) => upgrade(request, socket, head, candidates()));
  await new Promise<void>((resolve) => server.listen(order.port, order.address, resolve));
}

async function watch(backend: Backend): Promise<void> {
  for (;;) {
    const url = `http://${backend.address}:${backend.port}/readyz`;
    const well = await fetch(url, { signal: AbortSignal.timeout(readyTimeoutMs) }).then(
      (answer) => answer.text().then(() => answer.ok),
      () => false,
    );
    if (well) ready.add(backend.name);
    else ready.delete(backend.name);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** The servers to try, in order: those that are ready, each time another one first. */
function candidates(): Backend[] {
  const usable = backends.filter(({ name }) => ready.has(name) && (allowed === null || allowed.has(name)));
  const first = turn++ % Math.max(1, usable.length);
  return [...usable.slice(first), ...usable.slice(0, first)];
}

const headersOf = (request: http.IncomingMessage) => ({
  ...request.headers,
  'x-forwarded-for': request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '',
  'x-forwarded-proto': 'http',
});

const optionsOf = (request: http.IncomingMessage, { address, port }: Backend): http.RequestOptions => ({
  ...{ host: address, port, method: request.method, path: request.url, headers: headersOf(request), agent: false },
});

async function serve(request: http.IncomingMessage, answer: http.ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece as Buffer);
  } catch {
    return;
  }
  pass(request, answer, Buffer.concat(pieces), candidates());
}

function pass(
  request: http.IncomingMessage,
  answer: http.ServerResponse,
  body: Buffer,
  [next, ...rest]: Backend[],
): void {
  if (next === undefined) {
    answer.writeHead(502).end('no controller is ready');
    return;
  }
  const passed = http.request(optionsOf(request, next), (theirs) => {
    answer.writeHead(theirs.statusCode ?? 502, theirs.headers);
    theirs.on('error', () => answer.destroy());
    theirs.pipe(answer);
  });
  answer.on('close', () => passed.destroy());
  passed.on('error', (error: NodeJS.ErrnoException) => {
    // What may have been carried out is not sent again.
    if (error.code === 'ECONNREFUSED') pass(request, answer, body, rest);
    else answer.destroy();
  });
  passed.end(body);
}

function upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer, [next, ...rest]: Backend[]): void {
  if (next === undefined) {
    socket.end('HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n');
    return;
  }
  const theirs = net.connect(next.port, next.address);
  const end = () => {
    socket.destroy();
    theirs.destroy();
  };
  theirs.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') upgrade(request, socket, head, rest);
    else end();
  });
  theirs.once('connect', () => {
    const lines = Object.entries(headersOf(request)).map(([name, value]) => `${name}: ${value}`);
    theirs.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    theirs.write(head);
    for (const one of [socket, theirs]) one.on('error', end).on('close', end);
    socket.pipe(theirs).pipe(socket);
  });
}
