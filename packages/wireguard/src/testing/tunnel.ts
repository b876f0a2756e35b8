import type { DeviceConfig, PeerConfig } from '../types.ts';
import { privateKeyFor, publicKeyFor } from './keys.ts';
import { addNamespace, deleteNamespace, inNamespace, uniqueName } from './namespace.ts';
import { type RemoteBackend, remoteBackend } from './remote-backend.ts';

/** One end of a tunnel: a namespace with an agent's process. */
export interface End {
  readonly namespace: string;
  readonly link: string;
  readonly label: string;
  /** Address of the veth. */
  readonly outer: string;
  /** Address inside the tunnel. */
  readonly inner: string;
  readonly backend: RemoteBackend;
}

export interface Tunnel {
  readonly gate: End;
  readonly phone: End;
  close(): Promise<void>;
}

/** Creates two namespaces joined by a veth pair, each with a userspace device and its address, without keys or peers. */
export async function openTunnel(): Promise<Tunnel> {
  const gate = await openEnd('gate', '192.0.2.1', '100.64.0.1');
  const phone = await openEnd('phone', '192.0.2.2', '100.64.0.2');
  const veth = ['link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', phone.namespace] as const;
  await inNamespace(gate.namespace, 'ip', ...veth);
  for (const end of [gate, phone]) {
    await inNamespace(end.namespace, 'ip', 'addr', 'add', `${end.outer}/24`, 'dev', 'eth0');
    await inNamespace(end.namespace, 'ip', 'link', 'set', 'eth0', 'up');
    await end.backend.ensure(end.link);
    await inNamespace(end.namespace, 'ip', 'addr', 'add', `${end.inner}/32`, 'dev', end.link);
    await inNamespace(end.namespace, 'ip', 'link', 'set', end.link, 'up', 'mtu', '1280');
    await inNamespace(end.namespace, 'ip', 'route', 'add', '100.64.0.0/10', 'dev', end.link);
  }
  return { gate, phone, close: () => closeEnds([gate, phone]) };
}

/** Returns a configuration of one end with the other as its peer. */
export function configOf(self: End, other: End, more: Partial<PeerConfig> = {}, listenPort = 51820): DeviceConfig {
  const peer = { publicKey: publicKeyFor(other.label), allowedIps: [`${other.inner}/32`], ...more };
  return { privateKey: privateKeyFor(self.label), listenPort, peers: new Map([[peer.publicKey, peer]]) };
}

async function openEnd(label: string, outer: string, inner: string): Promise<End> {
  const namespace = await addNamespace();
  const backend = remoteBackend('userspace', ['ip', 'netns', 'exec', namespace]);
  return { namespace, link: uniqueName(), label, outer, inner, backend };
}

async function closeEnds(ends: readonly End[]): Promise<void> {
  for (const { backend, link, namespace } of ends) {
    const cleaner = remoteBackend('userspace', ['ip', 'netns', 'exec', namespace]);
    await cleaner.remove(link);
    await Promise.all([cleaner.kill(), backend.kill()]);
    await deleteNamespace(namespace);
  }
}
