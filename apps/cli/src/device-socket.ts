import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ClientStatus, LocalReply, maxLine, socketName, statusName } from '@sallyport/contract/local';

/** State of this host as a device. */
export type DeviceHere =
  | { readonly kind: 'none' }
  /** This host is a device of another user. */
  | { readonly kind: 'closed' }
  /** The device is disconnected; `sally up` connects it again. */
  | { readonly kind: 'down'; readonly controller: string }
  /** The device's status. A null `pid` means that no daemon runs; the status is then the last one of the daemon. */
  | { readonly kind: 'status'; readonly status: ClientStatus };

/** Asks the daemon of this host's device for its status. Throws on an answer that cannot be parsed. */
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

/** Returns the last status that a stopped daemon wrote. */
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

/** Returns that the device is disconnected when `sally up` has stored a controller, else that there is no device. */
async function wentDown(stateDir: string): Promise<DeviceHere> {
  const known = json(await readFile(join(stateDir, 'client.json'), 'utf8').catch(() => 'null'));
  const controller = (known as { controller?: unknown } | null)?.controller;
  return typeof controller === 'string' ? { kind: 'down', controller } : { kind: 'none' };
}

/** Sends one line and returns one line. */
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
    socket.on('close', () => reject(new Error('the daemon of this device closed the connection')));
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
