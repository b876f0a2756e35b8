import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { defaultStateDir } from '../arguments.ts';

/** The unit of deploy/systemd, which supervises the daemon of the default state directory. */
const unit = 'sallyport-client.service';

/** Returns whether systemd runs here and the unit is installed and enabled. systemd then starts the daemon. */
export async function unitIsEnabled(stateDir: string): Promise<boolean> {
  return (await concernsUnit(stateDir)) && (await systemctl('is-enabled', '--quiet', unit)) === 0;
}

/** Runs systemctl and returns its exit code. */
export function startUnit(): Promise<number> {
  return systemctl('start', '--no-block', unit);
}

/** Stops the unit. Does nothing when the unit does not run the daemon. */
export async function stopUnit(stateDir: string): Promise<void> {
  if ((await concernsUnit(stateDir)) && (await systemctl('is-active', '--quiet', unit)) === 0) {
    await systemctl('stop', unit);
  }
}

function concernsUnit(stateDir: string): Promise<boolean> {
  if (stateDir !== defaultStateDir) return Promise.resolve(false);
  return access('/run/systemd/system').then(
    () => true,
    () => false,
  );
}

function systemctl(...args: string[]): Promise<number> {
  return new Promise((resolve) => {
    const env = { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
    const child = execFile('systemctl', args, { env, timeout: 30_000 }, () => resolve(child.exitCode ?? 1));
  });
}
