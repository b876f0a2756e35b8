import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { channelProtocol } from '@sallyport/contract/channel';
import { Cleanup, Daemon, Namespace, uniqueTag, until } from '@sallyport/testkit';
import { previous, unpackPrevious, whyNoPrevious } from '../../versions/previous.ts';

const present = join(import.meta.dirname, '../../..');

interface Side {
  /** Folder with the source of the controller, and of the gateway. */
  readonly controller: string;
  readonly gateway: string;
}

/** A controller and the agent of one gateway, of any versions, in a namespace. */
async function together(t: TestContext, sides: (older: string) => Side) {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const older = await unpackPrevious();
  cleanup.add(async () => older.end());
  const { controller, gateway } = sides(older.folder);
  const tag = uniqueTag();
  const namespace = await Namespace.create(`spver${tag}`, cleanup);
  await namespace.ip('link', 'set', 'lo', 'up');
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-versions-'));
  cleanup.add(async () => rmSync(folder, { recursive: true, force: true }));
  const listen = ['--listen', '127.0.0.1:7100', '--beacon-listen', '127.0.0.1:0', '--metrics-listen', 'off'];
  const server = Daemon.start(
    [
      join(controller, 'apps/controller/src/main.ts'),
      ...listen,
      ...['--local-gateway', 'off', '--data-dir', join(folder, 'controller')],
    ],
    { cleanup, namespace },
  );
  const apikey = await until('the API key', async () => /API key +(sak_\S+)/.exec(server.output)?.[1]);
  const api = async (method: string, path: string, body?: object) => {
    const data =
      body === undefined ? [] : ['--header', 'content-type: application/json', '--data', JSON.stringify(body)];
    const url = `http://127.0.0.1:7100${path}`;
    return JSON.parse(await namespace.exec('curl', '-sS', '-X', method, '--header', `apikey: ${apikey}`, ...data, url));
  };
  const made = await api('POST', '/tenants/gateways', { name: 'gateway', wireguardPort: '51820' });
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, made.token, { mode: 0o600 });
  const place = ['--state-dir', join(folder, 'gateway'), '--interface', `spv${tag}`];
  const main = join(gateway, 'apps/gateway/src/main.ts');
  const agent = Daemon.start(
    [main, 'run', '--controller', 'http://127.0.0.1:7100', '--token-file', tokenFile, ...place],
    { cleanup, namespace },
  );
  cleanup.add(async () => {
    await agent.kill('SIGKILL');
    await namespace.exec(process.execPath, main, 'down', ...place);
  });
  return { agent, read: () => api('GET', `/tenants/gateways/${made.id}`) };
}

test('the agent of the previous release works with the present controller', async (t) => {
  const why = await whyNoPrevious();
  if (why !== null) return t.skip(why);
  const { agent, read } = await together(t, (older) => ({ controller: present, gateway: older }));
  const gateway = await until('the gateway to be online', async () => {
    const found = await read();
    return found.status === 'ONLINE' && found;
  }).catch((error) => assert.fail(`${error.message}\n${agent.output}`));
  assert.deepEqual([gateway.statistics.agentVersion, gateway.upgrades], [previous.version, 'NOT_ALLOWED']);
});

test('the present agent works with the controller of the previous release, or says which side to upgrade', async (t) => {
  const why = await whyNoPrevious();
  if (why !== null) return t.skip(why);
  const { agent, read } = await together(t, (older) => ({ controller: older, gateway: present }));
  if (previous.protocol === channelProtocol) {
    await until('the gateway to be online', async () => (await read()).status === 'ONLINE');
    return;
  }
  const said = await until('a refusal', async () => /not connected.*/.exec(agent.output)?.[0]);
  assert.match(said, /does not speak the protocol of this agent|speaks protocol/);
  assert.match(said, /[Uu]pdate|[Uu]pgrade/);
});
