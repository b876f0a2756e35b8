import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { processors } from '@sallyport/release';
import { Cleanup, Daemon, until } from '@sallyport/testkit';
import { bareSystem, filesOf, type Suite, signedBuild } from './fixtures.ts';
import { BareHost, changedRoot } from './host.ts';
import { apiKey, PackageWorld } from './world.ts';

const deb = `sallyport_${version}_${processors[process.arch]}.deb`;
const controllerUrl = 'http://203.0.113.10:8080';
const trusting = `--controller ${controllerUrl} --insecure`;

for (const [gateway, laptop] of [
  ['bookworm', 'trixie'],
  ['trixie', 'bookworm'],
] as const) {
  test(`the Debian package carries traffic from ${laptop} through a gateway on ${gateway}, and leaves nothing`, async (t) => {
    const cleanup = new Cleanup();
    t.after(() => cleanup.run());
    const build = await signedBuild();
    const world = await PackageWorld.create(cleanup);
    const office = await installed(world, 'gateway', gateway, build);
    const device = await installed(world, 'laptop', laptop, build);
    const controller = new BareHost(
      office.host.folder,
      changedRoot(office.host.folder, world.space('controller')),
      cleanup,
    );
    await startServer(world);

    await startController(controller);
    const agent = await enrolGateway(controller, office.host);
    await enrolDevice(controller, device.host);
    const fetchPage = 'exec 3<>/dev/tcp/10.20.0.10/443; cat <&3';
    await until('the page of the server', async () => (await device.host.run(fetchPage)) === 'Welcome');

    await device.host.run('apt-get -qq remove sallyport');
    await device.host.fails(`timeout 3 bash -c '${fetchPage}'`);
    await agent.end('SIGTERM');
    assert.match(await office.host.run('nft list tables'), /sallyport/, 'the data plane outlives its agent');
    await controller.run('kill $(cat /tmp/controller.pid)');
    await office.host.run('apt-get -qq remove sallyport');
    for (const { host, before } of [office, device]) await leavesNothing(host, before);
  });
}

/** A bare system with the package, and what it had before. */
async function installed(world: PackageWorld, place: 'gateway' | 'laptop', suite: Suite, build: string) {
  const folder = await bareSystem(suite, world.cleanup);
  const host = new BareHost(folder, changedRoot(folder, world.space(place)), world.cleanup);
  const before = { files: filesOf(folder), users: readFileSync(join(folder, 'etc/passwd'), 'utf8') };
  copyFileSync(join(build, deb), join(folder, 'tmp', deb));

  const unit = '/etc/systemd/system/sallyport-gateway.service';
  const refusal = await host.fails(`mkdir -p /etc/systemd/system; echo '[Unit]' > ${unit}; dpkg -i /tmp/${deb}`);
  assert.match(refusal, /sallyport-gateway\.service would win over the unit of this package/);
  await host.run(`rm ${unit}; dpkg --purge sallyport 2>/dev/null || true`);

  // No question can be answered: standard input is closed.
  const said = await host.run(`dpkg -i /tmp/${deb}`);
  assert.doesNotMatch(said, /warning|error/i);
  assert.equal(await host.run('sally --version'), version);
  assert.equal(await host.run('dpkg --verify sallyport'), '');
  assert.equal(await host.run('command -v git npm node cc wireguard-go || true'), '', 'the system is bare');
  return { host, before };
}

async function startServer(world: PackageWorld): Promise<void> {
  // Probes of the gateway end their connections before they have read anything.
  const script = `require('net')
    .createServer((socket) => socket.on('error', () => {}).end('Welcome'))
    .listen(443, () => console.log('listening'))`;
  const options = { cleanup: world.cleanup, namespace: world.space('server') };
  await Daemon.start(['-e', script], options).says(/listening/);
}

/** Starts it as the unit does: as the user of the package, without any right. */
async function startController(host: BareHost): Promise<void> {
  const folder = '/var/lib/sallyport/controller';
  await host.run(`install -d -m 700 -o sallyport -g sallyport ${folder}`);
  const settings = '--listen 203.0.113.10:8080 --local-gateway off --metrics-listen off';
  const script = `echo $$ > /tmp/controller.pid; exec sally controller run ${settings} --data-dir ${folder}`;
  const env = { SALLYPORT_BOOTSTRAP_API_KEY: apiKey };
  await host.start(script, { env, user: 'sallyport:sallyport' }).says(/Address/);
}

const login = { SALLYPORT_URL: controllerUrl, SALLYPORT_API_KEY: apiKey, SALLYPORT_INSECURE: 'on' };

async function enrolGateway(controller: BareHost, gateway: BareHost) {
  const sally = (command: string) => controller.run(`sally ${command}`, { env: login });
  await sally('gateways create office --port 51820 --endpoint 203.0.113.20');
  const SALLYPORT_TOKEN = await sally('gateways token office');
  const run = `exec sally gateway run ${trusting} --wireguard userspace --state-dir /var/lib/sallyport/gateway`;
  const agent = gateway.start(run, { env: { SALLYPORT_TOKEN } });
  await until('the gateway to be online', async () => /office[^\n]*ONLINE/.test(await sally('status'))).catch(
    (error) => {
      throw new Error(`${(error as Error).message}; it said:\n${agent.output}`);
    },
  );
  await sally('resources create Wiki --address 10.20.0.10 --protocol HTTPS --gateway office');
  await sally('policies create All --allow --all-devices --resource Wiki');
  return agent;
}

async function enrolDevice(controller: BareHost, device: BareHost): Promise<void> {
  const key = await controller.run('sally enrolment-keys create --name laptop --key-only', { env: login });
  const env = { SALLYPORT_ENROLMENT_KEY: key };
  await device.run(`sally up ${trusting} --wireguard userspace --timeout 60`, { env });
}

async function leavesNothing(host: BareHost, before: { files: string[]; users: string }): Promise<void> {
  assert.equal(await host.run('ip -brief link show type tun; nft list ruleset'), '', 'links and rules');
  await host.run('apt-get -qq purge sallyport');
  const left = filesOf(host.folder).filter((path) => !before.files.includes(path));
  assert.deepEqual(left, []);
  assert.equal(readFileSync(join(host.folder, 'etc/passwd'), 'utf8'), before.users);
}
