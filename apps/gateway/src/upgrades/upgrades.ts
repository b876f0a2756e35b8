import type { Log, StateDirectory } from '@sallyport/agent-runtime';
import { failureOf, processText, runningProcess } from '@sallyport/agent-runtime';
import type { Upgrade, Upgrading } from '@sallyport/contract/channel';
import { isUpgrading, readUpgradeFile, type UpgradeFile } from '@sallyport/contract/local';
import { isVersion } from '@sallyport/release/version';
import type { UpgradeHost } from './host.ts';

/** What upgrades on behalf of the controller need. */
export interface HostUpgradesOptions {
  readonly directory: StateDirectory;
  readonly host: UpgradeHost;
  /** File with the public keys that may sign releases; null: the default of `sally upgrade`. */
  readonly releaseKey: string | null;
  readonly log: Log;
  /** Makes the agent start again with the current version. */
  readonly restart: () => void;
}

type Asked = Pick<Upgrade, 'request' | 'version'>;
type Report = (progress: Omit<Upgrading, 'type'>) => void;

/** Seconds that a new version has to become healthy. No person waits, and the host may be busy. */
const patience = '180';

/** Pause between two looks at `upgrade.json`, milliseconds. */
const lookMs = 500;

/**
 * Carries out the upgrades that the controller asks for. The work is done by `sally upgrade`, a process of its own that
 * checks the release and judges the new version. This class starts it, and reports what it writes to `upgrade.json`. After a
 * crash or a restart in the middle, the file says how the request stands.
 */
export class HostUpgrades {
  readonly #options: HostUpgradesOptions;
  #timer: NodeJS.Timeout | null = null;
  /** One request is handled at a time, in the order of their arrival. */
  #work: Promise<void> = Promise.resolve();
  #reported = '';
  /** The newest request, until it is handled. */
  #next: Asked | null = null;
  #stopped = false;

  constructor(options: HostUpgradesOptions) {
    this.#options = options;
  }

  /** Begins an upgrade, or goes on to report one of which it has heard before. Of many requests the newest waits. */
  ask(asked: Asked, report: Report): void {
    const waits = this.#next !== null;
    this.#next = asked;
    if (waits) return;
    const begin = async () => {
      const newest = this.#next ?? asked;
      this.#next = null;
      this.#reported = '';
      await this.#asked(newest, report);
    };
    this.#then(begin, asked, report);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #then(work: () => Promise<void>, { request }: Asked, report: Report): void {
    this.#work = this.#work.then(work).catch((error) => {
      const reason = failureOf(error).message;
      this.#options.log.error('the upgrade that the controller asked for failed', { reason });
      report({ request, state: 'failed', reason });
    });
  }

  async #asked(asked: Asked, report: Report): Promise<void> {
    const known = await this.#read();
    if (known?.request === asked.request) return this.#follow(asked, report);
    if (known !== null && isUpgrading(known) && (await isRunning(known)))
      return report({ request: asked.request, state: 'failed', reason: 'Another upgrade of this host is under way' });
    await this.#begin(asked, report);
  }

  async #begin({ request, version }: Asked, report: Report): Promise<void> {
    const { directory, host, releaseKey, log } = this.#options;
    const file: UpgradeFile = { request, version, state: 'downloading', holder: null };
    if (!isVersion(version)) return report({ request, state: 'failed', reason: `${version} is no version` });
    if (host.version === version && host.current() === version) return report({ request, state: 'done' });
    log.info('the controller asks this host to upgrade', { from: host.version, to: version });
    await this.#write(file);
    const key = releaseKey === null ? [] : ['--release-key', releaseKey];
    const place = ['--gateway-state-dir', directory.path, ...key];
    const child = host.start(version, ['--report', request, '--patience', patience, ...place]);
    child.once('error', (error) => log.error('sally upgrade cannot be started', { reason: error.message }));
    child.unref();
    const holder = child.pid === undefined ? null : await processText(child.pid);
    // It may have written already.
    const now = await this.#read();
    if (now?.request === request && now.holder === null) await this.#write({ ...now, holder });
    await this.#follow({ request, version }, report);
  }

  /** Reports the state in the file, and looks again until it is final. */
  async #follow(asked: Asked, report: Report): Promise<void> {
    if (this.#stopped) return;
    const file = await this.#settled(asked);
    const { request } = asked;
    if (file === null) return report({ request, state: 'failed', reason: 'The record of the upgrade is lost' });
    if (file.state !== this.#reported) {
      this.#reported = file.state;
      report({ request, state: file.state, ...(file.reason !== undefined && { reason: file.reason }) });
    }
    if (!isUpgrading(file)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#then(() => this.#follow(asked, report), asked, report), lookMs).unref();
  }

  /** Returns the file. When its process has ended without a decision, writes and returns the one that is in force. */
  async #settled({ request, version }: Asked): Promise<UpgradeFile | null> {
    const before = await this.#read();
    if (before?.request !== request || !isUpgrading(before) || (await isRunning(before))) return ours(before, request);
    // It may have decided between the two looks.
    const file = await this.#read();
    if (file?.request !== request || !isUpgrading(file)) return ours(file, request);
    const { host, log, restart } = this.#options;
    const isTrial = host.version === version && host.current() !== version;
    const ended: UpgradeFile =
      host.current() === version
        ? { ...file, state: 'done' }
        : { ...file, state: isTrial ? 'returned' : 'failed', reason: 'The upgrade was interrupted on the host' };
    await this.#write(ended);
    if (isTrial) {
      log.warn('the trial of this version was interrupted: starting the current version again', { version });
      restart();
    }
    return ended;
  }

  async #read(): Promise<UpgradeFile | null> {
    const text = await this.#options.directory.read('upgrade.json').catch(() => null);
    return text === null ? null : readUpgradeFile(text);
  }

  #write(file: UpgradeFile): Promise<void> {
    return this.#options.directory.write('upgrade.json', `${JSON.stringify(file)}\n`);
  }
}

const ours = (file: UpgradeFile | null, request: string): UpgradeFile | null =>
  file?.request === request ? file : null;

const isRunning = async ({ holder }: UpgradeFile): Promise<boolean> =>
  holder !== null && (await runningProcess(holder)) !== null;
