import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeRelease } from '@sallyport/release/testing';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { type Host, makeHost, whyNoHost } from './host.ts';

const skip = whyNoHost() ?? false;
const deploy = (path: string) => readFileSync(join(import.meta.dirname, '../../deploy', path), 'utf8');

/** A program of another distribution: it notes how it was called. A package manager brings the tools that were taken away. */
const stand = (name: string, more = 'true') =>
  `printf '#!/bin/sh\\necho "${name} $*" >>/run/calls\\n%s\\n' '${more}' >/usr/local/sbin/${name}; chmod 755 /usr/local/sbin/${name}`;
const bring = 'cp -a /run/away/. /usr/local/sbin/';
const takeAway = (...tools: string[]) =>
  ['mkdir /run/away; rm -f /usr/bin/apt-get /bin/apt-get']
    .concat(tools.map((tool) => `file=$(readlink -f "$(command -v ${tool})"); cp "$file" /run/away/${tool}`))
    .concat(tools.map((tool) => `for at in /usr/bin /bin /usr/sbin /sbin; do rm -f $at/${tool}; done`))
    .join('; ');

/** Offers a release on a controller, and makes a host. Returns how the host installs it as a gateway. */
async function place(t: TestContext, node: string): Promise<{ host: Host; line: (edit?: string) => string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-distribution-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = {
    'bin/sally':
      '#!/bin/sh\ncase "$1" in uninstall) shift; exec sh "$(dirname "$(readlink -f "$0")")/../deploy/install/uninstall.sh" "$@";; esac\necho "sally $*" >>/run/calls\n',
    'bin/node': node,
    'deploy/install/uninstall.sh': deploy('install/uninstall.sh'),
    'deploy/openrc/sallyport-gateway': deploy('openrc/sallyport-gateway'),
    'deploy/systemd/sallyport-gateway.service': deploy('systemd/sallyport-gateway.service'),
  };
  await makeRelease(folder, { version: '1.2.3', files });
  let url = '';
  const { app } = await openTestApp(t, { version: '1.2.3', packages: { folder, keyFile: null }, localUrl: () => url });
  url = await app.server.listen({ host: '127.0.0.1', port: 0 });
  const line = (edit = '') => `curl -fsSL ${url}/install/gateway | sed '${edit}' | SALLYPORT_TOKEN=token dash`;
  return { host: await makeHost(t), line };
}

async function succeeds(host: Host, script: string): Promise<string> {
  const { code, output } = await host.run(script);
  assert.equal(code, 0, output);
  return output;
}

test('on Fedora the script installs with dnf, and starts a service of systemd', { skip }, async (t) => {
  const { host, line } = await place(t, '#!/bin/sh\necho v24.0.0\n');
  const machine = `mkdir -p /run/systemd/system; ${stand('dnf', bring)}; ${stand('systemctl')}`;
  await succeeds(host, `${machine}; ${takeAway('nft', 'ip', 'wg')}`);
  await succeeds(host, line());
  const calls = await succeeds(host, 'cat /run/calls');
  assert.match(calls, /^dnf install -y -q nftables iproute wireguard-tools$/m);
  assert.match(
    calls,
    /^systemctl daemon-reload\nsystemctl enable -q sallyport-gateway\nsystemctl restart sallyport-gateway$/m,
  );
  await succeeds(host, 'test -s /etc/systemd/system/sallyport-gateway.service; sally uninstall');
  assert.match(await succeeds(host, 'cat /run/calls'), /^systemctl disable -q --now sallyport-gateway$/m);
  assert.equal((await host.run('ls /etc/systemd/system/sallyport-gateway.service')).code, 2);
});

test('on Alpine the script installs with apk, runs the Node.js of the distribution, and starts a service of OpenRC', {
  skip,
}, async (t) => {
  // The Node.js of the package needs glibc, so it does not run there.
  const { host, line } = await place(t, '#!/bin/sh\nexit 127\n');
  const machine = [
    stand('apk', `${bring}; ln -sf /run/node /usr/local/bin/node`),
    stand('rc-update'),
    stand('rc-service'),
  ];
  const node =
    "printf '#!/bin/sh\\necho v24.3.0\\n' >/run/node; chmod 755 /run/node; rm -f /usr/bin/node /usr/local/bin/node";
  await succeeds(host, `${machine.join('; ')}; ${node}; ${takeAway('nft', 'wg', 'openssl')}`);
  // This host has glibc: only the question for it is answered otherwise.
  await succeeds(host, line('s,if \\[ -e /lib64/ld-linux.*then libc=glibc,if false; then libc=glibc,'));
  const calls = await succeeds(host, 'cat /run/calls');
  assert.match(calls, /^apk add -q openssl nftables wireguard-tools nodejs$/m);
  assert.match(calls, /^rc-update -q add sallyport-gateway\nrc-service sallyport-gateway restart$/m);
  const placed = 'stat -c %a /etc/init.d/sallyport-gateway; readlink /opt/sallyport/current/bin/node; sally uninstall';
  assert.match(await succeeds(host, placed), /^755\n\/usr\/local\/bin\/node\n/);
  assert.match(
    await succeeds(host, 'cat /run/calls'),
    /rc-service sallyport-gateway stop\nrc-update -q del sallyport-gateway/,
  );
  assert.equal((await host.run('ls /etc/init.d/sallyport-gateway')).code, 2);
});
