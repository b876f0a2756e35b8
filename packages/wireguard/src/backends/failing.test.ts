import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  addNamespace,
  deleteNamespace,
  inNamespace,
  succeedsIn,
  uniqueName,
  whyNoPackets,
} from '../testing/namespace.ts';
import { type RemoteBackend, remoteBackend } from '../testing/remote-backend.ts';

/** Runs each backend on a host that really lacks something. */
describe('a host that lacks something', { skip: whyNoPackets() ?? false }, () => {
  test('nothing: wireguard-go, or the kernel where it can', async (t) => {
    const { backend } = await host(t, []);
    assert.match(String(await backend.detect('auto')), /^(kernel|userspace)$/);
    assert.equal(await backend.detect('userspace'), 'userspace');
  });

  test('/dev/net/tun', async (t) => {
    const { backend, namespace } = await host(t, ['sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh']);
    const failure = { code: 'no-tun', message: /modprobe tun/ };
    const name = uniqueName();
    await assert.rejects(backend.detect('userspace'), failure);
    await assert.rejects(backend.ensure(name), failure);
    assert.equal(await succeedsIn(namespace, 'ip', 'link', 'show', name), false);
  });

  test('CAP_NET_ADMIN', async (t) => {
    const { backend } = await host(t, ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']);
    const failure = { code: 'no-privilege', message: /CAP_NET_ADMIN/ };
    await assert.rejects(backend.detect('auto'), failure);
    await assert.rejects(backend.ensure(uniqueName()), failure);
  });

  test('programs', async (t) => {
    const path = await mkdtemp(join(tmpdir(), 'sallyport-path-'));
    t.after(() => rm(path, { recursive: true }));
    const { backend, namespace } = await host(t, [], path);
    await assert.rejects(backend.detect('auto', { path }), {
      code: 'missing-tool',
      message: /apt-get install iproute2/,
    });
    const ip = (await inNamespace(namespace, 'sh', '-c', 'command -v ip')).trim();
    await symlink(ip, join(path, 'ip'));
    await assert.rejects(backend.detect('kernel', { path }), { code: 'missing-tool', message: /wireguard-tools/ });
    const failure = { code: 'missing-tool', message: /apt-get install wireguard-go/ };
    await assert.rejects(backend.detect('userspace', { path }), failure);
    const name = uniqueName();
    await assert.rejects(backend.ensure(name), failure);
    assert.equal(await succeedsIn(namespace, 'ip', 'link', 'show', name), false, 'what was begun is undone');
  });

  test('the kernel module', async (t) => {
    const { backend } = await host(t, []);
    if ((await backend.detect('auto')) === 'kernel') return t.skip('this kernel has WireGuard');
    await assert.rejects(backend.detect('kernel'), { code: 'no-kernel-module', message: /modprobe wireguard/ });
  });
});

/** Starts an agent's process in its own namespace, run by `wrapper`. */
async function host(
  t: TestContext,
  wrapper: readonly string[],
  path?: string,
): Promise<{ backend: RemoteBackend; namespace: string }> {
  const namespace = await addNamespace();
  const options = path === undefined ? {} : { path };
  const backend = remoteBackend('userspace', ['ip', 'netns', 'exec', namespace, ...wrapper], options);
  t.after(async () => {
    await backend.kill();
    await deleteNamespace(namespace);
  });
  return { backend, namespace };
}
