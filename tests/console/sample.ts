import { generateKeyPairSync } from 'node:crypto';
import type { Console } from './browser.ts';

/**
 * Fills a tenant with objects that are hard to display: long names, emoji, right-to-left text, many rows. Returns a
 * gateway's id.
 */
export async function fillTenant({ url, key }: Pick<Console, 'url' | 'key'>): Promise<string> {
  const post = async (path: string, body: object): Promise<{ id: string }> => {
    const answer = await fetch(`${url}/tenants${path}`, {
      method: path.endsWith('load-balancing') ? 'PUT' : 'POST',
      headers: { apikey: key, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${text}`);
    return JSON.parse(text);
  };
  const names = [
    'office-1',
    'Werk Süd, Halle 7 – Schaltschrank neben der Anlieferung im Untergeschoss',
    '東京オフィス',
    'مكتب دبي',
    '🏭 plant',
    'lab',
  ];
  const gateways = [];
  for (const [i, name] of names.entries())
    gateways.push(
      await post('/gateways', {
        name,
        wireguardPort: String(51820 + i),
        ...(i % 2 === 0 ? { endpoint: `gw${i}.example.com` } : {}),
      }),
    );
  const group = await post('/groups', { name: 'Engineering', roles: [], description: 'People who build things' });
  const users = [];
  for (const name of ['anna', 'ben', 'averyveryverylongname.withmanyparts.and-hyphens', 'دانا', 'zoe'])
    users.push(await post('/users', { email: `${name === 'دانا' ? 'dana' : name}@example.com`, groups: [group.id] }));
  await post('/sign-in-providers', {
    ...{ name: 'Acme SSO', issuer: 'https://id.example.com/realms/acme', clientId: 'sallyport', clientSecret: 'x' },
    ...{ groupsClaim: 'groups', groupMapping: [{ value: 'engineering', group: group.id }] },
  });
  const protocol = await post('/protocols', {
    name: 'Web and SSH',
    networkProtocols: [
      { protocol: 'TCP', port: '443' },
      { protocol: 'TCP', port: '22' },
    ],
  });
  const resources = [];
  for (const [i, name] of ['Wiki', 'Build farm 🛠', 'Datenbank der Personalabteilung (nur HR)', 'ERP'].entries()) {
    const resource = await post('/resources', {
      name,
      type: 'PRIVATE',
      addresses: [
        { address: `10.${i}.0.0/24`, protocols: [protocol.id] },
        { address: `2001:db8:${i}::/48`, protocols: [protocol.id] },
      ],
    });
    await post(`/resources/${resource.id}/load-balancing`, {
      loadBalancingMode: 'MANUAL',
      gateways: [gateways[i]?.id],
    });
    resources.push(resource);
  }
  for (let i = 0; i < 60; i++) {
    const { x = '' } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
    const publicKey = Buffer.from(x, 'base64url').toString('base64');
    await post('/devices', {
      name: i === 0 ? 'A laptop with a name that goes on and on until the end of the line' : `device-${i}`,
      publicKey,
      ...(i < 4 ? { user: users[i]?.id } : {}),
    });
  }
  const rule = await post('/admission-rules', {
    name: 'Office hours from Switzerland',
    rule: "time.between('08:00', '18:00') &&\n  time.onWeekdays('MO', 'TU', 'WE', 'TH', 'FR') &&\n  source.inCountry('CH')",
    hasTimeConstraint: true,
    timeZone: 'Europe/Zurich',
  });
  await post('/policies', {
    rule: rule.id,
    name: 'Engineering reaches the build farm',
    action: true,
    type: 'PRIVATE',
    groups: [group.id],
    resources: [resources[1]?.id],
  });
  await post('/policies', {
    name: 'Nobody reaches HR',
    action: false,
    type: 'PRIVATE',
    allUsers: true,
    resources: [resources[2]?.id],
  });
  await post('/policies', {
    name: 'Everybody reads the wiki',
    action: true,
    type: 'PRIVATE',
    allUsers: true,
    resources: [resources[0]?.id],
  });
  return gateways[0]?.id ?? '';
}
