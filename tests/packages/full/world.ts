import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { archiveName, processors, releaseKeyFile, signatureFile, sumsFile } from '@sallyport/release';
import { type Cleanup, exec, type Host, until } from '@sallyport/testkit';
import { World } from '../../lab/world.ts';
import { memoryFolder } from './fixtures.ts';
import type { BareHost } from './host.ts';

/** Processor of this machine, as packages name it. */
export const processor = processors[process.arch] ?? 'amd64';

/** Key of the API that the controllers of these tests start with. */
export const apiKey = 'test-bootstrap-key-0123456789abcdefgh';

/** A controller, a gateway with a LAN, a server there, and a laptop. */
export class PackageWorld extends World<'internet' | 'lan' | 'server' | 'controller' | 'gateway' | 'laptop'> {
  static async create(cleanup: Cleanup): Promise<PackageWorld> {
    const world = new PackageWorld(cleanup);
    await world.addSpaces(['internet', 'lan', 'server', 'controller', 'gateway', 'laptop']);
    await world.bridge('internet');
    await world.bridge('lan');
    for (const [index, name] of (['controller', 'gateway', 'laptop'] as const).entries())
      await world.plug(name, 'wan0', [`203.0.113.${(index + 1) * 10}/24`], 'internet');
    await world.plug('gateway', 'lan0', ['10.20.0.2/24'], 'lan');
    await world.plug('server', 'eth0', ['10.20.0.10/24'], 'lan');
    return world;
  }
}

/** A controller that was installed from the Debian package, and answers with TLS. */
export class PackagedController {
  readonly url = 'https://203.0.113.10:8443';
  readonly host: BareHost;
  /** Certificate of the authority that signed its own. */
  readonly authority: string;

  private constructor(host: BareHost, authority: string) {
    this.host = host;
    this.authority = authority;
  }

  static async start(host: BareHost, build: string, version: string, cleanup: Cleanup): Promise<PackagedController> {
    const controller = new PackagedController(host, await certificates(host, cleanup));
    await controller.install(build, version);
    await host.run('install -o sallyport -m 600 /srv/tls.key /srv/tls.pem /etc/sallyport; rm /srv/tls.key');
    const settings = [
      'SALLYPORT_LISTEN=203.0.113.10:8443',
      `SALLYPORT_PUBLIC_URL=${controller.url}`,
      'SALLYPORT_TLS_CERT_FILE=/etc/sallyport/tls.pem',
      'SALLYPORT_TLS_KEY_FILE=/etc/sallyport/tls.key',
      'SALLYPORT_METRICS_LISTEN=off',
      `SALLYPORT_BOOTSTRAP_API_KEY=${apiKey}`,
    ];
    writeFileSync(join(host.folder, 'etc/sallyport/controller.env'), `${settings.join('\n')}\n`, { mode: 0o600 });
    await host.run('systemctl enable --now sallyport-controller || true');
    await controller.answers();
    return controller;
  }

  /** Installs the Debian package of a version, and offers its archives to other hosts. */
  async install(build: string, version: string): Promise<void> {
    const deb = `sallyport_${version}_${processor}.deb`;
    copyFileSync(join(build, deb), join(this.host.folder, 'srv', deb));
    await this.host.run(`dpkg -i /srv/${deb}; rm /srv/${deb}`);
    this.offer(build, version);
  }

  /** Offers the archives of a version to other hosts. */
  offer(build: string, version: string): void {
    for (const name of [archiveName(version, processor), sumsFile, signatureFile, releaseKeyFile])
      copyFileSync(join(build, name), join(this.host.folder, 'var/lib/sallyport/releases', name));
  }

  /** Waits until it answers. */
  async answers(): Promise<void> {
    const probe = `curl -fsS --cacert /srv/authority.pem ${this.url}/readyz`;
    await until('the controller to answer', () => this.host.run(probe)).catch(async (error) => {
      const log = await this.host.run('journalctl --no-pager --unit sallyport-controller | tail -50');
      throw new Error(`${(error as Error).message}; it said:\n${log}`);
    });
  }

  /** Runs `sally` with its API key. */
  sally(command: string): Promise<string> {
    const env = { SALLYPORT_URL: this.url, SALLYPORT_API_KEY: apiKey, SALLYPORT_CA_FILE: '/srv/authority.pem' };
    return this.host.run(`sally ${command}`, { env });
  }
}

/** Makes an authority and the certificate of a controller, as files of the host. Returns the certificate of the authority. */
async function certificates(host: BareHost, cleanup: Cleanup): Promise<string> {
  const folder = await memoryFolder('1m', cleanup);
  const file = (name: string) => join(folder, name);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2'];
  const make = (name: string, ...more: string[]) =>
    exec('openssl', ['req', '-x509', ...curve, ...more, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)]);
  await make('authority', '-subj', '/CN=Authority of a test');
  const signer = [
    '-CA',
    file('authority.pem'),
    '-CAkey',
    file('authority.key'),
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  ];
  await make('tls', '-subj', '/CN=controller', '-addext', 'subjectAltName=IP:203.0.113.10', ...signer);
  for (const name of ['authority.pem', 'tls.pem', 'tls.key']) copyFileSync(file(name), join(host.folder, 'srv', name));
  return readFileSync(file('authority.pem'), 'utf8');
}

/** Runs the one line that installs, as root of a host. The host trusts the authority for curl only by its option. */
export const installLine = (controller: PackagedController, role: 'gateway' | 'client', options = ''): string =>
  `curl -fsSL --cacert /srv/authority.pem ${controller.url}/install/${role} | ` +
  `sh -s -- --ca-file /srv/authority.pem --token-file /srv/secret ${options}`;

/** Puts what an installation needs on a host: the certificate of the authority, and a token or enrolment key. */
export function placeSecret({ folder }: BareHost, { authority }: PackagedController, secret: string): void {
  writeFileSync(join(folder, 'srv/authority.pem'), authority);
  writeFileSync(join(folder, 'srv/secret'), `${secret}\n`, { mode: 0o600 });
}

/** Address of the server in the LAN of the gateway. */
export const serverAddress = '10.20.0.10';

/** Creates a gateway and lets every device reach UDP port 7000 of the server. Returns the token of the gateway. */
export async function declareOffice(controller: PackagedController): Promise<string> {
  await controller.sally('gateways create office --port 51820 --endpoint 203.0.113.20');
  await controller.sally('protocols create Echo --udp 7000 --icmp');
  await controller.sally(`resources create Wiki --address ${serverAddress} --protocol Echo --gateway office`);
  await controller.sally('policies create All --allow --all-devices --resource Wiki');
  return controller.sally('gateways token office');
}

/** Sends datagrams through the tunnel during some work. Throws when one got lost. */
export async function withoutLoss<T>(device: Host, work: () => Promise<T>): Promise<T> {
  await until(
    'an answer of the server',
    async () => (await device.udp(serverAddress, 7000, { timeoutMs: 500 })) === 'ok',
  );
  await device.startDatagrams('traffic', serverAddress, 7000, 10);
  const result = await work();
  const { sent, received } = await device.stopStream('traffic');
  if (sent < 50 || received !== sent) throw new Error(`${received} of ${sent} datagrams came back`);
  return result;
}
