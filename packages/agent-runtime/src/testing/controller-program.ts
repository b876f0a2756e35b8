import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { ScriptedController } from '@sallyport/agent-core/testing';
import { type ControllerMessage, channelPath, type StateItem } from '@sallyport/contract/channel';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';

/** A scripted controller on a real socket, driven over IPC, so that it can run in any network namespace. */
export type ControllerCall =
  | {
      readonly op: 'listen';
      readonly port: number;
      readonly host: string;
      /** Id of the gateway or device. */
      readonly agent: string;
      readonly token: string | null;
      readonly leaseMs: number;
    }
  | { readonly op: 'change'; readonly upserts: readonly StateItem[]; readonly removes: readonly string[] }
  | { readonly op: 'say'; readonly message: ControllerMessage }
  | { readonly op: 'refuse'; readonly refusal: Extract<ControllerMessage, { type: 'refused' }> | null }
  | { readonly op: 'expect-token'; readonly token: string }
  | { readonly op: 'lease'; readonly leaseMs: number; readonly aheadMs?: number }
  /** Serves the files of a folder below `/install/`. */
  | { readonly op: 'serve'; readonly folder: string }
  | { readonly op: 'drop' }
  | { readonly op: 'heard' }
  | { readonly op: 'state' };

export interface ControllerState {
  readonly controllerKey: string;
  readonly hash: string;
  readonly revision: number;
  readonly connections: number;
}

if (process.send !== undefined) serve();

function serve(): void {
  let controller: ScriptedController | null = null;
  const sockets = new Set<WebSocket>();
  let served: string | null = null;
  /** Difference of its clock to this host's; positive: ahead. */
  let aheadMs = 0;
  const clock = (): number => Date.now() + aheadMs;

  process.on('message', async ({ id, call }: { id: number; call: ControllerCall }) => {
    try {
      process.send?.({ id, value: await answer(call) });
    } catch (error) {
      process.send?.({ id, error: (error as Error).message });
    }
  });

  async function answer(call: ControllerCall): Promise<unknown> {
    if (call.op === 'listen') return listen(call);
    if (controller === null) throw new Error('not listening');
    switch (call.op) {
      case 'change':
        broadcast(controller.change(call.upserts, call.removes, clock()));
        return state(controller);
      case 'say':
        return broadcast(call.message);
      case 'refuse':
        controller.refusal = call.refusal;
        return null;
      case 'expect-token':
        controller.token = call.token;
        return null;
      case 'lease':
        controller.leaseMs = call.leaseMs;
        aheadMs = call.aheadMs ?? 0;
        broadcast(controller.lease(clock()));
        return null;
      case 'serve':
        served = call.folder;
        return null;
      case 'drop':
        for (const socket of sockets) socket.terminate();
        return null;
      case 'heard':
        return controller.heard;
      case 'state':
        return state(controller);
    }
  }

  function state({ key, hash, revision }: ScriptedController): ControllerState {
    return { controllerKey: key.publicKey, hash, revision: revision.number, connections: sockets.size };
  }

  /** Sends on the agent's newest connection, the only one that the agent reads. */
  function broadcast(message: ControllerMessage): void {
    const newest = [...sockets].at(-1);
    if (newest !== undefined && controller !== null) newest.send(controller.say(message));
  }

  function listen({
    port,
    host,
    agent,
    token,
    leaseMs,
  }: Extract<ControllerCall, { op: 'listen' }>): Promise<ControllerState> {
    controller = new ScriptedController(agent);
    controller.token = token;
    controller.leaseMs = leaseMs;
    controller.heartbeatMs = 1_000;
    const now = controller;
    const pages = createServer((request, response) => {
      const path = served === null ? null : join(served, basename(request.url ?? ''));
      if (path === null || !existsSync(path)) response.writeHead(404).end();
      else createReadStream(path).pipe(response);
    });
    const server = new WebSocketServer({ server: pages, path: channelPath });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('message', (data: RawData, binary) => {
        const frame = binary ? (data as Buffer) : data.toString();
        for (const reply of now.receive(frame, clock())) socket.send(now.say(reply));
      });
    });
    return new Promise((resolve, reject) => {
      pages.once('listening', () => resolve(state(now)));
      pages.once('error', reject);
      pages.listen(port, host);
    });
  }
}
