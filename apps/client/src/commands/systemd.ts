import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { defaultStateDir } from '../arguments.ts';

/** The unit of deploy/systemd, which looks after the daemon of the default state directory. */
const unit = 'sallyport-client.service';

/** Whether systemd runs here and the unit is installed and enabled: then the daemon is started by it. */
export async function unitIsEnabled(stateDir: string): Promise<boolean> {
  return (await concernsUnit(stateDir)) && (await systemctl('is-enabled', '--quiet', unit)) === 0;
}

/** The exit code of systemctl. */
export function startUnit(): Promise<number> {
  return systemctl('start', '--no-block', unit);
}

/** Nothing happens where the unit is not the one that runs the daemon. */
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
