import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments, parse as parseYaml } from 'yaml';

const run = promisify(execFile);
type Loose = ReturnType<typeof JSON.parse>;
const parse = (yaml: string): Loose => parseYaml(yaml);
const deploy = join(import.meta.dirname, '../../deploy');
const text = (path: string) => readFileSync(join(deploy, path), 'utf8');
const without = (program: string, args: readonly string[]) =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0 ? false : `needs ${program}`;

test('systemd accepts every unit, and finds the controller exposed to less than 3 of 10', {
  skip: without('systemd-analyze', ['--version']),
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-units-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of readdirSync(join(deploy, 'systemd'))) {
    const file = join(folder, name);
    writeFileSync(file, text(`systemd/${name}`).replaceAll('/usr/local/bin/sally', '/bin/true'));
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
    assert.equal(`${stdout}${stderr}`, '', name);
  }
  const controller = join(folder, 'sallyport-controller.service');
  await run('systemd-analyze', ['security', '--offline=true', '--threshold=29', controller]);
  const gateway = run('systemd-analyze', [
    'security',
    '--offline=true',
    '--threshold=29',
    join(folder, 'sallyport-gateway.service'),
  ]);
  await assert.rejects(gateway, 'a gateway changes the network of its host, so the threshold can fail');
});

test('the compose file runs the controller without rights, behind the proxy that it trusts', () => {
  const { services, networks, volumes } = parse(text('compose/compose.yaml'));
  const { controller, caddy } = services;
  assert.deepEqual(controller.cap_drop, ['ALL']);
  assert.equal(controller.read_only, true);
  assert.ok(controller.security_opt.includes('no-new-privileges:true'));
  assert.equal(
    controller.ports.filter((port: string) => !port.endsWith('/udp')).length,
    0,
    'HTTP passes the proxy only',
  );
  const address = controller.networks.front.ipv4_address;
  assert.match(text('compose/Caddyfile'), new RegExp(`reverse_proxy ${address}:8080 `));
  assert.equal(controller.environment.SALLYPORT_TRUSTED_PROXIES, caddy.networks.front.ipv4_address);
  for (const { volumes: used } of [controller, caddy])
    for (const volume of used) assert.ok(volume.startsWith('./') || volume.split(':')[0] in volumes, volume);
  for (const { networks: used } of [controller, caddy])
    for (const name of Object.keys(used)) assert.ok(name in networks);
});

test('the chart gives manifests that run without rights, keep their data, and refuse plain HTTP', {
  skip: without('helm', ['version']),
}, async () => {
  const template = (...args: string[]) => run('helm', ['template', 'office', join(deploy, 'helm/sallyport'), ...args]);
  const { stdout } = await template('--set', 'publicUrl=https://controller.example.com');
  const all = parseAllDocuments(stdout).map((document) => document.toJS());
  assert.deepEqual(all.map(({ kind }) => kind).sort(), ['Ingress', 'Service', 'Service', 'StatefulSet']);
  const { spec } = all.find(({ kind }) => kind === 'StatefulSet');
  assert.equal(spec.replicas, 1);
  const [container] = spec.template.spec.containers;
  assert.equal(spec.template.spec.securityContext.runAsNonRoot, true);
  assert.deepEqual(container.securityContext.capabilities, { drop: ['ALL'] });
  assert.equal(container.securityContext.readOnlyRootFilesystem, true);
  assert.deepEqual(
    container.volumeMounts.map(({ name }: { name: string }) => name),
    ['data', 'tmp'],
  );
  await assert.rejects(template(), /publicUrl is missing/);
  await assert.rejects(template('--set', 'publicUrl=http://controller.example.com'), /must begin with https/);
});
