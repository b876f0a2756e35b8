import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cleanup, cable, Daemon, exec, Namespace, uniqueTag, until, whyNoNamespaces } from '@sallyport/testkit';

const root = join(import.meta.dirname, '../..');
const noCaddy = spawnSync('caddy', ['version']).status === 0 ? null : 'needs caddy';

test('a request passes Caddy as deploy/compose sets it up, and the controller sees HTTPS and the source', {
  skip: whyNoNamespaces() ?? noCaddy ?? false,
}, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-caddy-'));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const tag = uniqueTag();
  const [proxy, inner] = [
    await Namespace.create(`sp-caddy-${tag}`, cleanup),
    await Namespace.create(`sp-inner-${tag}`, cleanup),
  ];
  // The addresses of the compose file.
  await cable(
    { namespace: proxy, interface: 'front', addresses: ['10.213.37.2/24'] },
    { namespace: inner, interface: 'front', addresses: ['10.213.37.3/24'] },
  );
  await proxy.ip('link', 'set', 'lo', 'up');
  const data = ['--data-dir', join(folder, 'data'), '--local-gateway', 'off', '--metrics-listen', 'off'];
  const controller = Daemon.start(
    [join(root, 'apps/controller/src/main.ts'), '--listen', '0.0.0.0:8080', '--beacon-listen', 'off', ...data],
    {
      cleanup,
      namespace: inner,
      env: { SALLYPORT_PUBLIC_URL: 'https://localhost', SALLYPORT_TRUSTED_PROXIES: '10.213.37.2' },
    },
  );
  await controller.says(/Sallyport is ready/);
  await startCaddy(proxy, folder, cleanup);

  const authority = join(folder, 'caddy/pki/authorities/local/root.crt');
  const curl = (...args: string[]) => proxy.exec('curl', '-sS', '--max-time', '20', '--cacert', authority, ...args);
  assert.match(await until('Caddy', () => curl('https://localhost/readyz')), /ok|ready/i);
  assert.match(await curl('-i', 'https://localhost/install'), /^HTTP\/2 404[\s\S]*nothing to install yet/);
  assert.match(
    await curl('-i', 'http://10.213.37.3:8080/install'),
    /^HTTP\/1\.1 403/,
    'without Caddy it is plain HTTP',
  );
  assert.match(await curl('-i', 'http://localhost/'), /^HTTP\/1\.1 308[\s\S]*Location: https:\/\/localhost\//);
});

/** With an authority of its own for `localhost`, which it must not add to those that this machine trusts. */
async function startCaddy(namespace: Namespace, folder: string, cleanup: Cleanup): Promise<void> {
  const caddyfile = join(root, 'deploy/compose/Caddyfile');
  const adapted = await exec('env', ['SALLYPORT_HOST=localhost', 'caddy', 'adapt', '--config', caddyfile]);
  const config = JSON.parse(adapted);
  config.apps.pki = { certificate_authorities: { local: { install_trust: false } } };
  writeFileSync(join(folder, 'caddy.json'), JSON.stringify(config));
  const caddy = Daemon.start(
    [
      '-e',
      "process.execve('/usr/bin/caddy', ['caddy', 'run', '--config', process.argv[1]], process.env)",
      join(folder, 'caddy.json'),
    ],
    {
      cleanup,
      namespace,
      env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder },
    },
  );
  await caddy.says(/serving initial configuration/);
}
