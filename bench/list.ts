import { randomBytes } from 'node:crypto';
import { Cleanup } from '@sallyport/testkit';
import { type PairedResult, paired } from './harness.ts';
import { load, requestText } from './load.ts';
import { apiKey, startController } from './processes.ts';

const gatewayCount = 500;
const deviceCount = 1000;

/** Measures a page of 100 devices against the list of 500 gateways of the same controller, in bytes per second. */
export async function pages(rounds: number): Promise<PairedResult> {
  const cleanup = new Cleanup();
  try {
    const { port } = await startController(cleanup);
    const make = (path: string, count: number, body: (n: number) => object) =>
      inParts(count, (n) => post(port, path, body(n)));
    await make('/tenants/gateways', gatewayCount, (n) => ({ name: `gateway ${n}`, wireguardPort: '51820' }));
    await make('/tenants/devices', deviceCount, (n) => ({
      name: `device ${n}`,
      publicKey: Buffer.concat([randomBytes(31), Buffer.of(1)]).toString('base64'),
    }));
    const measure = (path: string) => async () => {
      const url = `http://127.0.0.1:${port}${path}`;
      const { byteLength } = await (await fetch(url, { headers: { apikey: apiKey } })).arrayBuffer();
      const request = () => requestText('GET', path, { apikey: apiKey });
      return (byteLength / 1000) * (await load({ port, connections: 8, durationMs: 1500, request, expect: 200 }));
    };
    return await paired(
      `GET of 100 devices of ${deviceCount}, over GET of ${gatewayCount} gateways`,
      'kB/s',
      {
        baseline: { name: 'gateways', measure: measure('/tenants/gateways') },
        subject: { name: 'devices', measure: measure('/tenants/devices?limit=100') },
      },
      { rounds, atLeast: 0.2 },
    );
  } finally {
    await cleanup.run();
  }
}

async function inParts(count: number, make: (n: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += 50)
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, i) => make(from + i)));
}

async function post(port: number, path: string, body: object): Promise<void> {
  const headers = { apikey: apiKey, 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (answer.status !== 201) throw new Error(await answer.text());
}
