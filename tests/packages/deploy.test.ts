import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { settings } from '../../apps/controller/src/config.ts';

const run = promisify(execFile);
type Loose = ReturnType<typeof JSON.parse>;
const parse = (yaml: string): Loose => parseYaml(yaml);
const deploy = join(import.meta.dirname, '../../deploy');
const settingNames = Object.fromEntries(
  settings.flatMap(({ name }) => [name, `${name}_FILE`]).map((name) => [name, 1]),
);
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

test('the compose file for three controllers gives each the same keys, and data and beacon of its own', () => {
  const { services, secrets, volumes } = parseYaml(text('compose/replicas.yaml'), { merge: true }) as Loose;
  const controllers: Loose[] = ['controller-1', 'controller-2', 'controller-3'].map((name) => services[name]);
  const proxies = text('compose/replicas.Caddyfile')
    .match(/reverse_proxy (.*) \{/)?.[1]
    ?.split(' ');
  assert.deepEqual(
    proxies,
    controllers.map(({ networks }) => `${networks.front.ipv4_address}:8080`),
  );
  for (const { environment, cap_drop, read_only, secrets: used } of controllers) {
    assert.equal(environment.SALLYPORT_TRUSTED_PROXIES, services.caddy.networks.front.ipv4_address);
    assert.deepEqual([cap_drop, read_only], [['ALL'], true]);
    for (const name of used) assert.ok(name in secrets, name);
    for (const name of Object.keys(environment)) assert.ok(name in settingNames, name);
  }
  const distinct = (of: (controller: Loose) => string) => assert.equal(new Set(controllers.map(of)).size, 3);
  distinct(({ environment }) => environment.SALLYPORT_BEACON_ENDPOINT);
  distinct(({ volumes: [volume] }) => volume.split(':')[0]);
  distinct(({ ports: [port] }) => port.split(':')[0]);
  for (const { volumes: used = [] } of Object.values<Loose>(services))
    for (const volume of used) assert.ok(volume.startsWith('./') || volume.split(':')[0] in volumes, volume);
});

test('the chart names only settings that exist, and closes what it opens', () => {
  const templates = ['controller.yaml', 'network.yaml'].map((name) => text(`helm/sallyport/templates/${name}`));
  for (const template of templates) {
    for (const [name] of template.matchAll(/SALLYPORT_\w+/g)) assert.ok(name in settingNames, name);
    const count = (pattern: RegExp) => [...template.matchAll(pattern)].length;
    assert.equal(count(/\{\{-? *(?:if|with|range)\b/g), count(/\{\{-? *end\b/g));
  }
  const values = parse(text('helm/sallyport/values.yaml'));
  for (const [, path = ''] of templates.join('').matchAll(/\.Values\.([\w.]+)/g)) {
    let at = values;
    for (const key of path.split('.')) {
      assert.ok(key in at, `${path} is in values.yaml`);
      at = at[key];
    }
  }
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
  const several = ['--set', 'publicUrl=https://controller.example.com,replicas=3'];
  await assert.rejects(template(...several), /needs postgresql.secret/);
  await assert.rejects(template(...several, '--set', 'postgresql.secret=database'), /needs beacon.domain/);
  const domain = ['--set', 'postgresql.secret=database,beacon.domain=controllers.example.com'];
  const three = parseAllDocuments((await template(...several, ...domain)).stdout).map((document) => document.toJS());
  assert.equal(three.filter(({ kind }) => kind === 'Service').length, 4, 'one for HTTP, one for each beacon');
  const { replicas, template: pod } = three.find(({ kind }) => kind === 'StatefulSet').spec;
  assert.equal(replicas, 3);
  for (const { labelSelector } of pod.spec.topologySpreadConstraints)
    for (const [name, value] of Object.entries(labelSelector.matchLabels))
      assert.equal(pod.metadata.labels[name], value, 'controllers are spread over machines');
  const budget = three.find(({ kind }) => kind === 'PodDisruptionBudget');
  assert.equal(budget.spec.maxUnavailable, 1, 'a drained machine does not take two controllers at once');
  await assert.rejects(template(), /publicUrl is missing/);
  await assert.rejects(template('--set', 'publicUrl=http://controller.example.com'), /must begin with https/);
});
