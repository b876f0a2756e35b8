import { randomBytes } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cleanup } from '@sallyport/testkit';
import { type AmountResult, amount, type PairedResult, paired } from './harness.ts';
import { apiKey, cpuMs, type RunningController, startController } from './processes.ts';

const consoles = 100;
/** A session may have ten live streams. */
const perSession = 10;
/** Rows that a console shows. */
const shown = 50;
/** How long one figure is taken, milliseconds. */
const windowMs = 15_000;
const changesPerSecond = 10;

/** Measures what open consoles cost the controller: while nothing happens, and while objects change. */
export async function liveConsoles(rounds: number): Promise<(PairedResult | AmountResult)[]> {
  const cleanup = new Cleanup();
  try {
    const place = await startController(cleanup);
    const tenant = await fill(place.port);
    const cookies = await signIn(place);
    const with100 = async (work: () => Promise<number>) => {
      const open = await Promise.all(
        Array.from({ length: consoles }, (_, n) => openConsole(place.port, cookies[n % cookies.length] ?? '', tenant)),
      );
      await sleep(2000);
      const result = await work();
      for (const close of open) close();
      return result;
    };
    const idle = () => cpuOf(place, () => sleep(windowMs));
    const busy = () => cpuOf(place, () => change(place.port, tenant));
    await with100(idle);
    return [
      await amount(
        'processor time that an idle console costs, at 1,000 gateways and 10,000 devices',
        'ms/s',
        async () => Math.max(0, ((await with100(idle)) - (await idle())) / consoles),
        { rounds, atMost: 0.1 },
      ),
      await paired(
        `processor time at ${changesPerSecond} changes a second, 100 consoles over none`,
        'ms/s',
        {
          baseline: { name: 'no console', measure: busy },
          subject: { name: '100 consoles', measure: () => with100(busy) },
        },
        { rounds, atMost: 4 },
      ),
    ];
  } finally {
    await cleanup.run();
  }
}

interface Tenant {
  readonly gateways: readonly string[];
  readonly devices: readonly string[];
}

async function fill(port: number): Promise<Tenant> {
  const many = (path: string, count: number, body: (n: number) => object) => async () => {
    const ids: string[] = [];
    for (let from = 0; from < count; from += 50) {
      const made = Array.from({ length: 50 }, (_, i) => call(port, 'POST', path, body(from + i)));
      for (const one of await Promise.all(made)) ids.push((one as { id: string }).id);
    }
    return ids;
  };
  const gateways = await many('/tenants/gateways', 1000, (n) => ({ name: `gateway ${n}`, wireguardPort: '51820' }))();
  const publicKey = () => Buffer.concat([randomBytes(31), Buffer.of(1)]).toString('base64');
  const devices = await many('/tenants/devices', 10_000, (n) => ({ name: `device ${n}`, publicKey: publicKey() }))();
  return { gateways, devices };
}

async function call(port: number, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { apikey: apiKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const password = 'umbrella cactus violin';

/** Sets the tenant up, and signs its owner in once for every ten consoles. Returns the cookies. */
async function signIn({ port, daemon }: RunningController): Promise<string[]> {
  const secret = /#(\S+)/.exec(/Set-up +(http\S+)/.exec(daemon.output)?.[1] ?? '')?.[1];
  if (secret === undefined) throw new Error(`it printed no set-up link:\n${daemon.output}`);
  const post = async (path: string, body: object): Promise<string> => {
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
    const url = `http://127.0.0.1:${port}${path}`;
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
    return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  };
  const email = 'owner@example.com';
  const cookies = [await post('/sign-in/links/password', { secret, email, password })];
  while (cookies.length < consoles / perSession) cookies.push(await post('/sign-in/password', { email, password }));
  return cookies;
}

/** Opens a stream as the console does on a list of gateways. Returns the function that closes it. */
function openConsole(port: number, cookie: string, { gateways, devices }: Tenant): Promise<() => void> {
  const headers = { cookie, 'sec-fetch-site': 'same-origin' };
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path: '/tenants/live', headers, agent: false });
    request.once('error', reject);
    request.once('response', (answer: IncomingMessage) => {
      answer.on('error', () => undefined);
      if (answer.statusCode !== 200) return reject(new Error(`the stream answers ${answer.statusCode}`));
      answer.setEncoding('utf8').on('data', (text: string) => {
        const stream = /"stream":"([^"]+)"/.exec(text)?.[1];
        if (stream === undefined) return;
        const topics = { gateways: gateways.slice(0, shown), devices: devices.slice(0, shown), overview: true };
        fetch(`http://127.0.0.1:${port}/tenants/live/${stream}`, {
          method: 'PUT',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify(topics),
        }).then(() => resolve(() => request.destroy()), reject);
      });
    });
  });
}

/** Changes objects that the consoles show, one after the other at a steady rate. */
async function change(port: number, { gateways }: Tenant): Promise<void> {
  for (let n = 0; n < (windowMs / 1000) * changesPerSecond; n++) {
    const body = { name: `renamed ${n}`, wireguardPort: '51820' };
    await Promise.all([
      call(port, 'PATCH', `/tenants/gateways/${gateways[n % shown]}`, body),
      sleep(1000 / changesPerSecond),
    ]);
  }
}

/** Processor time of the controller during some work, milliseconds a second. */
async function cpuOf({ daemon }: RunningController, work: () => Promise<unknown>): Promise<number> {
  const [before, from] = [await cpuMs(daemon.child.pid ?? 0), performance.now()];
  await work();
  const spent = (await cpuMs(daemon.child.pid ?? 0)) - before;
  return (spent * 1000) / (performance.now() - from);
}
