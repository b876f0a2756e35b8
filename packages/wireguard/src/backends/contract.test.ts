import { backendContract, type Candidate } from '../testing/backend-contract.ts';
import { addNamespace, deleteNamespace, inNamespace, whyNoPackets } from '../testing/namespace.ts';
import { type RemoteKind, remoteBackend } from '../testing/remote-backend.ts';
import { tryCommand } from './command.ts';
import { memoryBackend } from './memory.ts';

backendContract('memory', null, async () => ({
  backend: memoryBackend(),
  bringUp: async () => {},
  close: async () => {},
}));

const noPackets = whyNoPackets();
backendContract('userspace', noPackets, () => inOwnNamespace('userspace'));
backendContract("the kernel backend's wg commands on wireguard-go", noPackets, () => inOwnNamespace('wg-on-userspace'));
backendContract('kernel', noPackets ?? (await whyNoKernel()), () => inOwnNamespace('kernel'));

async function inOwnNamespace(kind: RemoteKind): Promise<Candidate> {
  const namespace = await addNamespace();
  const backend = remoteBackend(kind, ['ip', 'netns', 'exec', namespace]);
  return {
    backend,
    bringUp: async (name) => void (await inNamespace(namespace, 'ip', 'link', 'set', 'dev', name, 'up')),
    async close() {
      await backend.kill();
      await deleteNamespace(namespace);
    },
  };
}

/** Runs the check in its own network namespace, because it creates links. */
async function whyNoKernel(): Promise<string | null> {
  const namespace = await addNamespace();
  try {
    const args = ['netns', 'exec', namespace, 'ip', 'link', 'add', 'dev', 'wg0', 'type', 'wireguard'];
    const result = await tryCommand('ip', args);
    return result.exitCode === 0 ? null : 'this kernel has no WireGuard';
  } finally {
    await deleteNamespace(namespace);
  }
}
