import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ClientStatus, LocalReply, maxLine, socketName, statusName } from '@sallyport/contract/local';

/** What this host says of itself as a device. */
export type DeviceHere =
  | { readonly kind: 'none' }
  /** It is one, but another user's. */
  | { readonly kind: 'closed' }
  /** It was one, and `sally up` connects it again. */
  | { readonly kind: 'down'; readonly controller: string }
  /** `pid` null in the status: no daemon runs, and this is what the last one said. */
  | { readonly kind: 'status'; readonly status: ClientStatus };

/** Asks the daemon of the device that this host may be. Throws when one answers what cannot be understood. */
export async function askDevice(stateDir: string): Promise<DeviceHere> {
  try {
    const reply = LocalReply.parse(JSON.parse(await ask(join(stateDir, socketName))));
    if (reply.type !== 'status') throw new Error(reply.type === 'failed' ? reply.message : 'no status');
    return { kind: 'status', status: reply.status };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return { kind: 'closed' };
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') return lastWords(stateDir);
    throw error;
  }
}

/** What a daemon that is gone wrote last. */
async function lastWords(stateDir: string): Promise<DeviceHere> {
  const text = await readFile(join(stateDir, statusName), 'utf8').catch(() => null);
  if (text === null) return wentDown(stateDir);
  const parsed = ClientStatus.safeParse(json(text));
  if (!parsed.success) return { kind: 'none' };
  const { controller } = parsed.data;
  return {
    kind: 'status',
    status: { ...parsed.data, pid: null, controller: { ...controller, connected: false, phase: 'stopped' } },
  };
}

/** What `sally up` goes by when it is told nothing. */
async function wentDown(stateDir: string): Promise<DeviceHere> {
  const known = json(await readFile(join(stateDir, 'client.json'), 'utf8').catch(() => 'null'));
  const controller = (known as { controller?: unknown } | null)?.controller;
  return typeof controller === 'string' ? { kind: 'down', controller } : { kind: 'none' };
}

/** One line for one line. */
function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(answerMs, () => socket.destroy(new Error('the daemon of this device does not answer')));
    socket.on('data', (data: string) => {
      text += data;
      const end = text.indexOf('\n');
      if (end < 0 && text.length <= maxLine) return;
      socket.destroy();
      resolve(text.slice(0, Math.max(end, 0)));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the daemon of this device hung up')));
    socket.write('{"op":"status"}\n');
  });
}

const answerMs = 5_000;

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
