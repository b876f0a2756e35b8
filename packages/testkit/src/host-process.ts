import { execFile } from 'node:child_process';
import dgram from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import type { HostCall, HttpAnswer, HttpInit, StreamState } from './host-calls.ts';
import { performLink } from './host-links.ts';
import { performRequests } from './host-requests.ts';
import { performSocket } from './host-sockets.ts';

interface Stream {
  state(): StreamState;
  pause(): void;
  close(): void;
}
const streams = new Map<string, Stream>();

process.on('message', (message: { id: number; call: HostCall }) => {
  perform(message.call).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: Error) => process.send?.({ id: message.id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));

async function perform(call: HostCall): Promise<unknown> {
  switch (call.op) {
    case 'ready':
      return true;
    case 'listen-tcp':
      return listening(net.createServer(echo), call.port, call.address);
    case 'listen-http':
      return listening(
        http.createServer((req, res) => res.end(call.body ?? req.socket.remoteAddress?.replace(/^::ffff:/, ''))),
        call.port,
        call.address,
      );
    case 'listen-udp':
      return listenUdp(call.port, call.address);
    case 'tcp':
      return connectTcp(call.address, call.port, call.timeoutMs, call.from);
    case 'udp':
      return sendUdp(call.address, call.port, call.timeoutMs, call.from);
    case 'ping':
      return ping(call);
    case 'http':
      return httpRequest(call.url, call.init);
    case 'stream-start':
      return startStream(call.id, call.address, call.port, call.everyMs);
    case 'datagrams-start':
      return startDatagrams(call.id, call.address, call.port, call.everyMs);
    case 'stream-state':
      return streams.get(call.id)?.state();
    case 'stream-stop':
      return stopStream(call.id);
    case 'socket-open':
    case 'socket-send':
    case 'socket-inbox':
    case 'socket-close':
      return performSocket(call);
    case 'link-start':
    case 'link-weather':
    case 'link-counts':
    case 'link-stop':
      return performLink(call);
    case 'requests-start':
    case 'requests-take':
    case 'requests-stop':
      return performRequests(call);
  }
}

function echo(socket: net.Socket): void {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
}

function listening(server: net.Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: address }, () => resolve());
  });
}

function listenUdp(port: number, address: string): Promise<void> {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (data, from) => socket.send(data, from.port, from.address));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => resolve());
  });
}

function connectTcp(address: string, port: number, timeoutMs: number, from?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) });
    const done = (answer: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done('timeout'), timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.on('connect', () => socket.write('hello\n'));
    socket.on('data', () => done('ok'));
    socket.on('end', () => done('closed'));
  });
}

function sendUdp(address: string, port: number, timeoutMs: number, from?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const done = (answer: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done('timeout'), timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.on('message', () => done('ok'));
    socket.bind(0, from, () => {
      socket.connect(port, address, () => socket.send('hello'));
    });
  });
}

function ping(call: Extract<HostCall, { op: 'ping' }>): Promise<string> {
  const args = ['-n', '-c', '1', '-W', String(call.timeoutMs / 1000)];
  if (call.size !== undefined) args.push('-s', String(call.size));
  if (call.dontFragment) args.push('-M', 'do');
  if (call.from !== undefined) args.push('-I', call.from);
  return new Promise((resolve) => {
    execFile('ping', [...args, call.address], (error, stdout, stderr) => {
      resolve(error === null ? 'ok' : `${stdout}${stderr}`.trim() || 'no answer');
    });
  });
}

async function httpRequest(url: string, { timeoutMs = 3000, ...init }: HttpInit): Promise<HttpAnswer> {
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    return { error: cause?.code ?? (error as Error).name };
  }
}

function startStream(id: string, address: string, port: number, everyMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const counts = counter();
    const socket = net.connect({ host: address, port });
    socket.setNoDelay(true);
    const timer = setInterval(() => {
      if (socket.writable && counts.open) socket.write(`${counts.sent++}\n`);
    }, everyMs);
    socket.on('data', (data) => counts.echo(data.toString().split('\n').length - 1));
    socket.on('close', () => {
      counts.open = false;
    });
    socket.on('error', reject);
    socket.once('connect', () => {
      counts.open = true;
      resolve();
    });
    streams.set(id, { state: counts.state, pause: () => clearInterval(timer), close: () => socket.destroy() });
  });
}

function startDatagrams(id: string, address: string, port: number, everyMs: number): Promise<void> {
  return new Promise((resolve) => {
    const counts = counter();
    const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', () => undefined);
    socket.on('message', (echo) => {
      counts.echo(1);
      counts.echoedSentAt = Math.max(counts.echoedSentAt ?? 0, Number(echo.toString().split(' ')[1]));
    });
    socket.connect(port, address, () => {
      counts.open = true;
      const timer = setInterval(() => socket.send(`${counts.sent++} ${Date.now()}`), everyMs);
      streams.set(id, { state: counts.state, pause: () => clearInterval(timer), close: () => socket.close() });
      resolve();
    });
  });
}

function counter() {
  const counts = {
    sent: 0,
    received: 0,
    open: false,
    last: performance.now(),
    echoedSentAt: null as number | null,
    echo(count: number) {
      counts.received += count;
      counts.last = performance.now();
    },
    state: (): StreamState => ({
      sent: counts.sent,
      received: counts.received,
      open: counts.open,
      silentMs: performance.now() - counts.last,
      echoedSentAt: counts.echoedSentAt,
    }),
  };
  return counts;
}

async function stopStream(id: string): Promise<StreamState | undefined> {
  const stream = streams.get(id);
  stream?.pause();
  const end = performance.now() + 2000;
  while (stream !== undefined && stream.state().received < stream.state().sent && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const state = stream?.state();
  stream?.close();
  streams.delete(id);
  return state;
}
