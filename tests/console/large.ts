import { generateKeyPairSync } from 'node:crypto';
import type { Console } from './browser.ts';

/**
 * Objects of a large tenant. Tests take a tenth, which shows the same faults sooner. CONSOLE_DEVICES=10000 measures what
 * docs/benchmarks.md has.
 */
const devices = Number(process.env.CONSOLE_DEVICES ?? 1000);
export const large = { gateways: devices / 10 - 1, devices, resources: devices / 50, users: devices / 20 };

/** Requests at a time. */
const atOnce = 16;

/** Fills a tenant with more objects than a page can show: long names, emoji, right-to-left text, and resources that fail. */
export async function fillLarge({ url, key }: Pick<Console, 'url' | 'key'>): Promise<void> {
  const post = async (path: string, body: object): Promise<{ id: string }> => {
    const answer = await fetch(`${url}/tenants${path}`, {
      method: path.endsWith('load-balancing') ? 'PUT' : 'POST',
      headers: { apikey: key, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as { id: string };
  };
  const protocols = (await (await fetch(`${url}/tenants/protocols`, { headers: { apikey: key } })).json()) as {
    data?: { id: string }[];
  } & { id: string }[];
  const protocol = (protocols.data ?? protocols)[0]?.id;
  await inParallel(large.gateways, (i) =>
    post('/gateways', { name: nameOf('gateway', i), wireguardPort: '51820', endpoint: `gw${i}.example.com` }),
  );
  await inParallel(large.users, (i) => post('/users', { email: `person-${i}@example.com`, groups: [] }));
  const { id: gateway } = await post('/gateways', { name: 'gateway', wireguardPort: '51820' });
  // Names of type SAAS are not enforced, so every other resource is unreachable and says why.
  await inParallel(large.resources, async (i) => {
    const { id } = await post('/resources', {
      name: nameOf('resource', i).slice(0, 40),
      type: i % 2 === 0 ? 'SAAS' : 'PRIVATE',
      addresses: [{ address: i % 2 === 0 ? `host-${i}.example.com` : `10.${i % 256}.0.0/24`, protocols: [protocol] }],
    });
    await post(`/resources/${id}/load-balancing`, { loadBalancingMode: 'MANUAL', gateways: [gateway] });
  });
  await inParallel(large.devices, (i) => post('/devices', { name: nameOf('device', i), publicKey: publicKey() }));
}

const kinds = [
  (what: string) => `${what} with a name that goes on and on until the end of the line and further`,
  (what: string) => `🏭🛠 ${what}`,
  (what: string) => `مكتب دبي ${what}`,
  (what: string) => `東京オフィス ${what}`,
  (what: string) => what,
];
const nameOf = (what: string, i: number): string => (kinds[i % kinds.length] ?? String)(`${what} ${i}`);

function publicKey(): string {
  const { x = '' } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
  return Buffer.from(x, 'base64url').toString('base64');
}

async function inParallel(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
