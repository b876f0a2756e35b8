import { readFile } from 'node:fs/promises';
import { type HostDns, stubAddress } from './host-dns.ts';
import { listedResolvers } from './resolv-conf.ts';
import { type RunTool, toolsIn } from './tools.ts';

/** Most domains that we give to a link. systemd-resolved takes 255. */
const mostDomains = 200;
/** The stub of systemd-resolved itself. A query that we sent there would come back. */
const ownStubs: ReadonlySet<string> = new Set(['127.0.0.53', '127.0.0.54', stubAddress]);

/**
 * systemd-resolved with our resolver at the tunnel's link, for exactly our domains. The settings of a link end with the
 * link and with the boot. While no daemon runs, only names of resources fail.
 */
export class Resolved implements HostDns {
  readonly kind = 'resolved';
  readonly checkMs = 15_000;
  readonly #interface: string;
  readonly #run: RunTool;
  readonly #uplinks: string;

  constructor(name: string, run: RunTool = toolsIn(), uplinks = '/run/systemd/resolve/resolv.conf') {
    this.#interface = name;
    this.#run = run;
    this.#uplinks = uplinks;
  }

  async holds(domains: readonly string[]): Promise<boolean> {
    if (!(await this.#isOurs())) return false;
    const shown = valuesOf(await this.#run('resolvectl', 'domain', this.#interface));
    return shown.toSorted().join() === routingDomains(domains).toSorted().join();
  }

  async add(domains: readonly string[]): Promise<boolean> {
    if (await this.holds(domains)) return false;
    const name = this.#interface;
    const wanted = routingDomains(domains);
    await this.#run('resolvectl', 'dns', name, stubAddress);
    // DNSSEC and TLS end at our resolver, which has neither: a virtual address has no signature.
    for (const setting of ['dnssec', 'dnsovertls', 'llmnr', 'mdns']) await this.#run('resolvectl', setting, name, 'no');
    await this.#run('resolvectl', 'default-route', name, wanted.includes('~.') ? 'yes' : 'no');
    await this.#run('resolvectl', 'domain', name, ...wanted);
    await this.#run('resolvectl', 'flush-caches');
    return true;
  }

  async remove(): Promise<boolean> {
    if (!(await this.#isOurs().catch(() => false))) return false;
    await this.#run('resolvectl', 'revert', this.#interface);
    await this.#run('resolvectl', 'flush-caches');
    return true;
  }

  async others(): Promise<string[]> {
    const text = await readFile(this.#uplinks, 'utf8').catch(() => '');
    return listedResolvers(text)
      .filter((address) => !ownStubs.has(address))
      .slice(0, 3);
  }

  async #isOurs(): Promise<boolean> {
    return valuesOf(await this.#run('resolvectl', 'dns', this.#interface)).includes(stubAddress);
  }
}

/**
 * Returns domains as systemd-resolved routes queries by them. Too many are replaced by the domains that contain them.
 * Queries for other names of these domains come to us too, and go on to the other resolvers.
 */
export function routingDomains(domains: readonly string[], most = mostDomains): string[] {
  let found = [...new Set(domains.map((domain) => domain.replace(/^\*+\./, '')))];
  while (found.length > most) {
    const longest = Math.max(...found.map((domain) => domain.split('.').length));
    if (longest === 1) return ['~.'];
    found = [...new Set(found.map((domain) => (domain.split('.').length < longest ? domain : parentOf(domain))))];
  }
  return found.map((domain) => `~${domain}`);
}

const parentOf = (domain: string): string => domain.slice(domain.indexOf('.') + 1);

/** Returns the values in a text such as `Link 5 (sallyport1): 127.0.0.153`. Many values take several lines. */
function valuesOf(text: string): string[] {
  const [, values = ''] = /^Link \d+ \([^)]*\):([\s\S]*)$/m.exec(text) ?? [];
  return values.split(/\s+/).filter((value) => value !== '');
}
