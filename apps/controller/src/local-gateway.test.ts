import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { whyNoLocalGateway } from './local-gateway.ts';
import { selfSigned } from './testing/certificates.ts';
import { ControllerProcess, testFolder } from './testing/controller-process.ts';

const run = promisify(execFile);
const key = 'k'.repeat(40);
/** How long to wait for what must happen: a busy machine takes many times longer than an idle one. */
const patienceMs = 60_000;

/** Why this machine cannot run the tests, or false. */
async function missing(): Promise<string | false> {
  const reason = whyNoLocalGateway();
  if (reason !== null) return reason;
  if (process.geteuid?.() !== 0) return 'network namespaces need root';
  for (const program of ['ip', 'nft']) {
    const there = await run(program, ['-V']).then(
      () => true,
      () => false,
    );
    if (!there) return `there is no ${program}`;
  }
  return false;
}

/** A network namespace of its own; whatever still runs in it afterwards is ended. */
class Place {
  #scheme = 'http';
  readonly name = `sp-ctl-${randomBytes(3).toString('hex')}`;

  constructor(t: TestContext) {
    execFileSync('ip', ['netns', 'add', this.name]);
    t.after(() => {
      const pids = execFileSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' }).split('\n').filter(Boolean);
      for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
      execFileSync('ip', ['netns', 'del', this.name]);
    });
    execFileSync('ip', ['-n', this.name, 'link', 'set', 'lo', 'up']);
  }

  start(t: TestContext, dataDir: string, args: readonly string[] = []): Promise<ControllerProcess> {
    this.#scheme = args.includes('--tls-cert-file') ? 'https' : 'http';
    const env = { SALLYPORT_BOOTSTRAP_API_KEY: key };
    const prefix = ['ip', 'netns', 'exec', this.name];
    const all = ['--local-gateway', 'on', '--listen', '127.0.0.1:8080', ...args];
    return ControllerProcess.start(t, dataDir, all, env, prefix);
  }

  async run(...command: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.name, ...command])).stdout;
  }

  /** The only gateway, once its status is the one asked for. */
  async gateway(status: string): Promise<{ id: string; lastOnline: string }> {
    const script = `console.log(await (await fetch('${this.#scheme}://127.0.0.1:8080/tenants/gateways', { headers: { apikey: '${key}' } })).text())`;
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(100)) {
      const [gateway] = JSON.parse(
        await this.run('env', 'NODE_TLS_REJECT_UNAUTHORIZED=0', process.execPath, '--input-type=module', '-e', script),
      );
      if (gateway?.status === status) return gateway;
    }
    throw new Error(`the local gateway was not ${status} in time`);
  }

  /** Asks the API from inside; the status of its answer. */
  async call(method: string, path: string): Promise<number> {
    return Number(await this.#fetch(method, path, 'status'));
  }

  /** Asks the API from inside; the text of its answer. */
  text(method: string, path: string): Promise<string> {
    return this.#fetch(method, path, 'text()');
  }

  #fetch(method: string, path: string, part: 'status' | 'text()'): Promise<string> {
    const script = `const answer = await fetch('${this.#scheme}://127.0.0.1:8080${path}', { method: '${method}', headers: { apikey: '${key}' } }); console.log(await answer.${part})`;
    return this.run(process.execPath, '--input-type=module', '-e', script);
  }

  async dataPlane(): Promise<{ link: boolean; table: boolean }> {
    const [links, tables] = [await this.run('ip', '-br', 'link'), await this.run('nft', 'list', 'tables')];
    return { link: links.includes('sallyport0'), table: tables.includes('sallyport') };
  }
}

for (const [signal, how, again] of [
  ['SIGTERM', 'is stopped', false],
  ['SIGHUP', 'loses its terminal', true],
  ['SIGINT', 'is interrupted twice within 10 ms', true],
] as const) {
  test(`a local gateway comes up with the controller, and goes down with it when that ${how}`, async (t) => {
    const reason = await missing();
    if (reason) return t.skip(reason);
    const place = new Place(t);
    const controller = await place.start(t, testFolder(t));
    assert.match(controller.stdout, /Gateway +"local" is starting on this machine/);
    await place.gateway('ONLINE');
    assert.deepEqual(await place.dataPlane(), { link: true, table: true });
    const ended = controller.kill(signal);
    if (again) await pause(10).then(() => controller.kill(signal));
    assert.equal(await ended, 0);
    assert.deepEqual(await place.dataPlane(), { link: false, table: false });
  });
}

test('three signals within a second end a controller at once, and it says what is left', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const place = new Place(t);
  const dataDir = testFolder(t);
  const controller = await place.start(t, dataDir);
  await place.gateway('ONLINE');
  // A gateway that cannot end keeps the controller waiting.
  const agent = (await run('pgrep', ['-f', `gateway/src/main.ts.*${dataDir}`])).stdout.trim();
  process.kill(Number(agent), 'SIGSTOP');
  const ended = controller.kill('SIGINT');
  while (controller.exitCode === null) {
    await pause(60);
    void controller.kill('SIGINT');
  }
  process.kill(Number(agent), 'SIGKILL');
  assert.equal(await ended, 130);
  const command = /^To remove them: bin\/(sally gateway down .*)$/m.exec(controller.stderr)?.[1];
  assert.equal(command, `sally gateway down --state-dir ${dataDir}/gateway`);
});

test('a controller that crashes leaves the data plane up, and the next one goes on with it', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const place = new Place(t);
  const dataDir = testFolder(t);
  const first = await place.start(t, dataDir);
  const { id } = await place.gateway('ONLINE');
  await first.kill('SIGKILL');
  assert.deepEqual(await place.dataPlane(), { link: true, table: true });
  const second = await place.start(t, dataDir);
  assert.equal((await place.gateway('ONLINE')).id, id);
  assert.equal(await second.kill('SIGINT'), 0);
  assert.deepEqual(await place.dataPlane(), { link: false, table: false });
});

test('a local gateway trusts the certificate of its controller, whoever signed it and whatever it is called', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const { cert, key: keyFile } = selfSigned(testFolder(t), 'vpn.example');
  const place = new Place(t);
  const tls = ['--tls-cert-file', cert, '--tls-key-file', keyFile, '--public-url', 'https://vpn.example'];
  const controller = await place.start(t, testFolder(t), tls);
  await place.gateway('ONLINE');
  assert.equal(await controller.kill('SIGTERM'), 0);
});

const identityOf = (dataDir: string): string => readFileSync(join(dataDir, 'gateway', 'identity.json'), 'utf8');

test('a local gateway comes back by itself when its directory and the database are not of the same time', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const [dataDir, older] = [testFolder(t), testFolder(t)];
  const copy = (from: string, to: string) =>
    cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  const place = new Place(t);
  const second = await place.start(t, dataDir);
  await place.gateway('ONLINE');
  assert.equal(await second.kill('SIGTERM'), 0);
  const identity = identityOf(dataDir);

  await t.test('the database is older than the identity', async () => {
    copy(dataDir, older);
    const raw = new DatabaseSync(join(older, 'sallyport.db'));
    raw.exec('UPDATE gateways SET identity_key = NULL');
    raw.close();
    const controller = await place.start(t, older, ['--new-epoch', 'true']);
    await place.gateway('ONLINE');
    assert.equal(await controller.kill('SIGTERM'), 0);
    assert.notEqual(identityOf(older), identity);
  });
  await t.test('the identity is lost', async () => {
    rmSync(join(dataDir, 'gateway'), { recursive: true });
    const controller = await place.start(t, dataDir);
    await place.gateway('ONLINE');
    assert.equal(await controller.kill('SIGTERM'), 0);
    assert.notEqual(identityOf(dataDir), identity);
  });
});

test('a local gateway that is re-keyed while it runs enrols again, and the data plane stays', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const [place, dataDir] = [new Place(t), testFolder(t)];
  const controller = await place.start(t, dataDir);
  const { id } = await place.gateway('ONLINE');
  const identity = identityOf(dataDir);
  assert.equal(await place.call('POST', `/tenants/gateways/${id}/rekey`), 201);
  assert.deepEqual(await place.dataPlane(), { link: true, table: true });
  for (const deadline = Date.now() + patienceMs; identityOf(dataDir) === identity; await pause(50))
    assert.ok(Date.now() < deadline, 'the agent took another identity');
  await place.gateway('ONLINE');
  assert.equal(await controller.kill('SIGTERM'), 0);
});

test('test-configuration knocks at a local gateway, at an address of this machine', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const place = new Place(t);
  await place.run('ip', 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan1');
  await place.run('ip', 'link', 'set', 'lan1', 'up');
  await place.run('ip', 'address', 'add', '192.168.77.5/24', 'dev', 'lan0');
  await place.run('ip', 'link', 'set', 'lan0', 'up');
  await place.run('ip', 'route', 'add', 'default', 'dev', 'lan0');
  await place.start(t, testFolder(t));
  const { id } = await place.gateway('ONLINE');
  const { status, details, error } = JSON.parse(await place.text('POST', `/tenants/gateways/${id}/test-configuration`));
  assert.deepEqual([status, error], ['ONLINE', undefined], details);
  assert.match(details, /discovered 192\.168\.77\.5:51820.*answers a handshake at 192\.168\.77\.5:51820/);
});
