import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { Simulators } from '../../../bench/fleet/simulators.ts';
import { apiKey, freePort, startController, temporaryFolder } from '../../../bench/processes.ts';
import { Balancer } from '../../lab/balancer.ts';

const size = { gateways: 10, devices: 990 };
const agents = size.gateways + size.devices;
const address = '127.0.0.1';

test('1,000 agents of two controllers: those of one that is killed are at the other one within five seconds', {
  timeout: 600_000,
}, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const { url, port, server, controllers } = await start(cleanup);
  const tokens = await enrolmentTokens(url);
  const simulators = new Simulators(2, cleanup);
  await simulators.connect(`ws://${address}:${port}`, tokens, false);
  await simulators.settled(300_000);
  const shares = await server.sql('SELECT count(*) FROM agent_holders GROUP BY replica ORDER BY 1', 'sallyport');
  const [fewer = 0, more = 0] = shares.split('\n').map(Number);
  assert.equal(fewer + more, agents);
  assert.ok(fewer > agents / 4, `both controllers have agents: ${fewer} and ${more}`);

  await simulators.mark();
  const began = performance.now();
  await controllers[0]?.daemon.kill('SIGKILL');
  const back = async (part: number) => {
    await until(`${part * 100} % to be back`, async () => {
      const { gateway, device } = await simulators.report();
      return gateway.acknowledged + device.acknowledged >= agents * part;
    });
    return Math.round(performance.now() - began);
  };
  // A connection that is closed counts no more, so what is left are the agents of the other controller.
  await until('the agents to notice', async () => {
    const { gateway, device } = await simulators.report();
    return gateway.live + device.live <= agents - fewer / 2;
  });
  const [half, most, all] = [await back(0.75), await back(0.99), await back(1)];
  const { frames } = await simulators.report();
  t.diagnostic(
    `${frames.welcome} agents came back: 75 % of all were there after ${half} ms, 99 % after ${most} ms, all after ${all} ms`,
  );
  // Agents, controllers and the database share the processors with what else runs here.
  const busy = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  assert.ok(most <= 5_000 * busy, `99 % were back after ${most} ms at ${busy.toFixed(1)} programs for each processor`);
});

/** Two controllers on one database, and a balancer in front of them. */
async function start(cleanup: Cleanup) {
  const [server, folder, port] = await Promise.all([
    PostgresServer.start(cleanup),
    temporaryFolder(cleanup),
    freePort(),
  ]);
  await server.sql('CREATE DATABASE sallyport');
  const keyFile = join(folder, 'master.key');
  await writeFile(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const env = {
    SALLYPORT_DATABASE_URL: server.url('sallyport'),
    SALLYPORT_MASTER_KEY_FILE: keyFile,
    SALLYPORT_TRUSTED_PROXIES: address,
    SALLYPORT_METRICS_LISTEN: 'off',
    SALLYPORT_BEACON_LISTEN: 'off',
  };
  const run = () => startController(cleanup, undefined, undefined, env);
  const controllers = await Promise.all([run(), run()]);
  const backends = controllers.map((one, n) => ({ name: String(n), address, port: one.port }));
  await Balancer.start(cleanup, null, { address, port, backends });
  const url = `http://${address}:${port}`;
  await until('the balancer', async () => (await fetch(`${url}/readyz`)).ok);
  return { url, port, server, controllers };
}

async function enrolmentTokens(url: string): Promise<string[]> {
  const make = async (path: string, body: object): Promise<{ token?: string; key?: string }> => {
    const headers = { apikey: apiKey, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/tenants${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 201);
    return answer.json() as Promise<{ token?: string; key?: string }>;
  };
  const all = Array.from({ length: agents }, (_, n) => n);
  const tokens: string[] = [];
  const worker = async () => {
    for (let n = all.pop(); n !== undefined; n = all.pop()) {
      const made =
        n < size.gateways
          ? await make('/gateways', { name: `site ${n}`, wireguardPort: '51820', endpoint: `gw${n}.example.com` })
          : await make('/enrolment-keys', { name: `laptop ${n}` });
      tokens.push(made.token ?? made.key ?? '');
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return tokens;
}
