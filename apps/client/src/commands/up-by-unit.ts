import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelUrl, readIdentity, readToken, StateDirectory } from '@sallyport/agent-runtime';
import { defaultInterface, type UpCommand } from '../arguments.ts';
import { CommandError, UsageError } from '../failure.ts';
import { mergeSettings, readSettings, writeSettings } from '../state/settings.ts';
import { startUnit } from './systemd.ts';

/**
 * Starts the daemon through systemd. The unit reads its settings from the state directory. The enrolment key is in a
 * separate file there, which has no value after its use.
 */
export async function startByUnit(command: UpCommand, environment: NodeJS.ProcessEnv): Promise<void> {
  const directory = await StateDirectory.open(command.stateDir);
  const settings = mergeSettings(command, await readSettings(directory), defaultInterface);
  if (settings === null) throw new UsageError('--controller URL is missing: the first start needs it');
  channelUrl(settings.controller, settings.insecure);
  await writeSettings(directory, settings);
  const { SALLYPORT_ENROLMENT_KEY: inline = null, SALLYPORT_ENROLMENT_KEY_FILE: file = null } = environment;
  const needed = (await readIdentity(directory))?.enrolledWith == null;
  const sources = { argument: command.keyFile, environmentFile: file, environment: inline };
  const key = await readToken(sources, process.stdin, needed);
  if (key !== null) await writeFile(join(directory.path, 'enrolment.key'), `${key}\n`, { mode: 0o600 });
  const code = await startUnit();
  if (code !== 0)
    throw new CommandError(`systemd did not start the daemon (${code}): see systemctl status sallyport-client`);
}
