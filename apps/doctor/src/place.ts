import type { Asked } from './arguments.ts';
import type { OwnSettings, Place, Probe, Role } from './types.ts';

/** Finds out what runs on this host, from what lies there, and where its controller is. */
export async function findPlace(probe: Probe, asked: Asked): Promise<Place> {
  const gatewayDir = asked.gatewayDir ?? '/var/lib/sallyport/gateway';
  const clientDir = asked.clientDir ?? '/var/lib/sallyport/client';
  const dataDir =
    asked.dataDir ?? (await firstWith(probe, 'sallyport.db', ['/var/lib/sallyport/controller', './data']));
  const settings = await deviceSettings(probe, clientDir);
  const environment = environmentOf((await probe.text('/etc/sallyport/gateway.env')) ?? '');
  const own = ownSettings(probe, (await probe.text(controllerSettings)) ?? '');
  const signs: readonly [Role, readonly string[]][] = [
    ['controller', [`${dataDir}/sallyport.db`]],
    ['gateway', ['/etc/sallyport/gateway.env', `${gatewayDir}/identity.json`]],
    ['device', [`${clientDir}/identity.json`]],
  ];
  const roles: Role[] = [];
  for (const [role, paths] of signs)
    for (const path of paths) if (!roles.includes(role) && (await probe.stats(path)) !== null) roles.push(role);
  return {
    roles,
    ...{ dataDir, gatewayDir, clientDir, tunnel: 'sallyport0' },
    controller: asUrl(
      asked.controller ?? environment.get('SALLYPORT_CONTROLLER') ?? settings.controller ?? own.publicUrl,
    ),
    caFile: asked.caFile ?? environment.get('SALLYPORT_CA_FILE') ?? settings.caFile ?? own.certFile,
    own,
  };
}

/** Settings of the service of the controller. */
export const controllerSettings = '/etc/sallyport/controller.env';

function ownSettings({ environment }: Probe, text: string): OwnSettings {
  const file = environmentOf(text);
  const setting = (name: string): string | null => file.get(name) || environment[name] || null;
  const listen = setting('SALLYPORT_BEACON_LISTEN') ?? ':51818';
  return {
    certFile: setting('SALLYPORT_TLS_CERT_FILE'),
    keyFile: setting('SALLYPORT_TLS_KEY_FILE'),
    publicUrl: setting('SALLYPORT_PUBLIC_URL'),
    beacon: listen === 'off' ? null : Number(listen.slice(listen.lastIndexOf(':') + 1)),
  };
}

async function firstWith(probe: Probe, name: string, folders: readonly string[]): Promise<string> {
  for (const folder of folders) if ((await probe.stats(`${folder}/${name}`)) !== null) return folder;
  return folders[0] ?? '.';
}

/** Reads lines such as NAME=value. */
const environmentOf = (text: string): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value.replace(/^"(.*)"$/, '$1')]),
  );

async function deviceSettings(
  probe: Probe,
  folder: string,
): Promise<{ controller: string | null; caFile: string | null }> {
  try {
    const { controller, caFile } = JSON.parse((await probe.text(`${folder}/client.json`)) ?? '{}');
    return { controller: textOf(controller), caFile: textOf(caFile) };
  } catch {
    return { controller: null, caFile: null };
  }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** Also takes `wss` and a bare host name, as the agents do. */
function asUrl(text: string | null | undefined): string | null {
  if (text == null || text === '') return null;
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text.replace(/^ws/i, 'http') : `https://${text}`);
  return url === null || !/^https?:$/.test(url.protocol) ? null : url.origin;
}
