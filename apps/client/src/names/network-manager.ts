import type { HostDns } from './host-dns.ts';
import { ResolvConf, resolvConfPath } from './resolv-conf.ts';
import { type RunTool, toolsIn } from './tools.ts';

/**
 * The `resolv.conf` that NetworkManager writes. NetworkManager has no setting that adds a resolver for some names only
 * and keeps those of the networks, so our lines stand in its file. It writes the file whenever a network changes, and the
 * lines are put back. When they go, NetworkManager writes the file once more, so that the file is entirely its own.
 */
export class NetworkManagerDns extends ResolvConf {
  override readonly kind: HostDns['kind'] = 'networkmanager';
  readonly #run: RunTool;

  constructor(path = resolvConfPath, run: RunTool = toolsIn()) {
    super(path);
    this.#run = run;
  }

  override async remove(): Promise<boolean> {
    const removed = await super.remove();
    // The file is restored already, so a NetworkManager that does not answer is no failure.
    if (removed) await this.#run('nmcli', 'general', 'reload', 'dns-rc').catch(() => '');
    return removed;
  }
}
