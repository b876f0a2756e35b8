import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exec, until } from '@sallyport/testkit';
import { type AddressType, askPacket, askUpstream, UpstreamError } from './upstream.ts';

const missing = await exec('dnsmasq', ['--version']).then(
  () => false,
  () => 'needs dnsmasq',
);

/** A dnsmasq on a loopback address of its own, with the zone `corp.example`. */
class Zone {
  readonly address = '127.0.0.1';
  port = 0;
  readonly #folder: string;
  readonly #options: readonly string[];
  #process: ChildProcess | null = null;

  private constructor(folder: string, options: readonly string[]) {
    this.#folder = folder;
    this.#options = options;
  }

  static async start(t: TestContext, hosts: readonly string[], options: readonly string[] = []): Promise<Zone> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-zone-'));
    const zone = new Zone(folder, options);
    t.after(async () => {
      await zone.kill();
      await rm(folder, { recursive: true, force: true });
    });
    await zone.set(hosts);
    // Another program may take the port that was free.
    for (let tries = 0; zone.#process === null; tries++) {
      zone.port = await freePort();
      const started = await zone.run().then(
        () => true,
        (error) => (tries > 5 ? Promise.reject(error) : false),
      );
      if (!started) await zone.kill();
    }
    return zone;
  }

  get #file(): string {
    return join(this.#folder, 'hosts');
  }

  /** Lines of a hosts file. The resolver takes them at once. */
  async set(hosts: readonly string[]): Promise<void> {
    await writeFile(this.#file, `${['127.9.9.9 ready.corp.example', ...hosts].join('\n')}\n`);
    this.#process?.kill('SIGHUP');
  }

  async run(): Promise<void> {
    const zone = ['--no-resolv', '--no-hosts', '--local=/corp.example/', '--local-ttl=7', `--addn-hosts=${this.#file}`];
    const where = [`--listen-address=${this.address}`, `--port=${this.port}`, '--bind-interfaces', '--pid-file='];
    const args = ['--keep-in-foreground', '--user=root', '--conf-file=/dev/null', ...where, ...zone, ...this.#options];
    const child = spawn('dnsmasq', args, { stdio: 'ignore' });
    this.#process = child;
    await until('the resolver', async () => {
      if (child.exitCode !== null) throw new Error('dnsmasq has ended');
      return (await this.ask('ready').catch(() => null))?.addresses[0] === '127.9.9.9';
    });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  ask(name: string, type: AddressType = 'A') {
    return ask([this], name, type);
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

function ask(zones: readonly Zone[], name: string, type: AddressType = 'A') {
  const servers = zones.map(({ address, port }) => ({ address, port }));
  return askUpstream({ serversFor: () => servers, timeoutMs: 10_000 }, `${name}.corp.example`, type);
}

const many = Array.from({ length: 200 }, (_, n) => `10.1.${n >> 7}.${n & 127} many.corp.example`);
/** `first` leads through so many aliases to `target`. */
const chain = (first: string, aliases: number, target: string): string[] =>
  Array.from({ length: aliases }, (_, n) => {
    const name = (step: number) => (step === 0 ? first : step === aliases ? target : `${first}-${step}`);
    return `--cname=${name(n)}.corp.example,${name(n + 1)}.corp.example`;
  });

test('a real resolver', { skip: missing }, async (t) => {
  const hosts = ['10.0.0.1 wiki.corp.example', 'fd00::1 wiki.corp.example', '10.0.0.2 four.corp.example', ...many];
  const zone = await Zone.start(t, hosts, [...chain('short', 8, 'wiki'), ...chain('long', 9, 'wiki')]);

  await t.test('gives addresses of both families, or says why there are none', async () => {
    assert.deepEqual(await zone.ask('wiki'), { addresses: ['10.0.0.1'], reason: null, ttl: 7 });
    assert.deepEqual((await zone.ask('wiki', 'AAAA')).addresses, ['fd00::1']);
    const none = await zone.ask('four', 'AAAA');
    assert.deepEqual([none.addresses, none.reason], [[], 'NODATA']);
    assert.equal((await zone.ask('absent')).reason, 'NXDOMAIN');
  });

  await t.test('gives a long answer over TCP', async () => {
    const upstream = { serversFor: () => [zone], timeoutMs: 10_000 };
    const packet = await askPacket(upstream, 'many.corp.example', 'A');
    assert.equal(packet.answers?.length, 200);
    const { addresses } = await zone.ask('many');
    assert.equal(new Set(addresses).size, 32);
    for (const address of addresses) assert.match(address, /^10\.1\.[01]\.\d+$/);
  });

  await t.test('gives aliases, up to a number', async () => {
    assert.deepEqual((await zone.ask('short')).addresses, ['10.0.0.1']);
    await assert.rejects(zone.ask('long'), (error: Error) => {
      assert.ok(error instanceof UpstreamError);
      assert.match(error.message, /long\.corp\.example has more than 8 aliases/);
      return true;
    });
  });

  await t.test('is left for the next one while it refuses or is gone', async () => {
    const other = await Zone.start(t, [], ['--server=/corp.example/#']);
    await assert.rejects(ask([other], 'wiki'), /the resolver answers (REFUSED|SERVFAIL)/);
    assert.deepEqual((await ask([other, zone], 'wiki')).addresses, ['10.0.0.1']);
    await other.kill();
    assert.deepEqual((await ask([other, zone], 'wiki')).addresses, ['10.0.0.1']);
  });

  await t.test('gives what its zone says now, also after it was killed', async () => {
    await zone.set(['10.0.0.3 wiki.corp.example', '10.0.0.4 absent.corp.example']);
    await until('the new address', async () => (await zone.ask('wiki')).addresses[0] === '10.0.0.3');
    assert.deepEqual((await zone.ask('absent')).addresses, ['10.0.0.4']);
    await zone.kill();
    await assert.rejects(zone.ask('wiki'), UpstreamError);
    await zone.set(['10.0.0.5 wiki.corp.example']);
    await zone.run();
    assert.deepEqual((await zone.ask('wiki')).addresses, ['10.0.0.5']);
  });
});
