import { isLoopbackHost } from '@sallyport/contract';
import type { Session } from '../session.ts';

/** Returns the address at which agents on other hosts reach the controller: its public URL, else the URL used here. */
export async function controllerUrl(session: Session): Promise<string> {
  const { url } = await session.connection();
  const { publicUrl } = (await (await session.api()).call('getTenant')).body;
  if (publicUrl !== undefined) return publicUrl;
  if (isLoopbackHost(new URL(url).hostname))
    session.note(
      `Note: ${url} works on this host only. Set SALLYPORT_PUBLIC_URL on the controller to the address that other hosts use.`,
    );
  return url;
}
