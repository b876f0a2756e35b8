import { basename } from 'node:path';
import type { Session } from '../session.ts';
import { shellWord } from '../text.ts';

/**
 * Returns the line that installs a gateway or a device from the controller; null when the controller offers none. The line
 * holds no secret: the script asks for it. The certificate that this program trusts has to be copied to the host.
 */
export async function installLine(session: Session, role: 'gateway' | 'client'): Promise<string | null> {
  const { installUrl } = (await (await session.api()).call('getTenant')).body;
  if (installUrl === undefined) return null;
  const url = shellWord(`${installUrl}/${role}`);
  const { caFile } = await session.connection();
  if (caFile === undefined) return `curl -fsSL ${url} | sudo sh`;
  const file = shellWord(basename(caFile));
  return `curl -fsSL --cacert ${file} ${url} | sudo sh -s -- --ca-file ${file}`;
}
