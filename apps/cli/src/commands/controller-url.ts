import { isLoopbackHost } from '@sallyport/contract';
import type { Session } from '../session.ts';

/** Address at which agents on other hosts reach the controller: its public one, else the one that was used here. */
export async function controllerUrl(session: Session): Promise<string> {
  const { url } = await session.connection();
  const { publicUrl } = (await (await session.api()).call('getTenant')).body;
  if (publicUrl !== undefined) return publicUrl;
  if (isLoopbackHost(new URL(url).hostname))
    session.note(
      `Note: ${url} is an address of this host alone. Start the controller with SALLYPORT_PUBLIC_URL for the address that others reach.`,
    );
  return url;
}
