import { channelPath, isLoopbackHost } from '@sallyport/contract/channel';
import { UsageError } from './failure.ts';

/**
 * Returns the WebSocket address of the agent channel for an operator's address. Accepts `http(s)://` and `ws(s)://` and adds
 * the path of the channel. Without TLS it accepts only this host, unless `insecure`.
 *
 * Throws UsageError.
 */
export function channelUrl(text: string, insecure: boolean): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null) throw new UsageError(`--controller: not an address: ${text}`);
  const scheme = schemes[url.protocol];
  if (scheme === undefined) throw new UsageError(`--controller: use https:// or wss://, not ${url.protocol}//`);
  if (url.username !== '' || url.password !== '')
    throw new UsageError('--controller: the address must not hold a password');
  if (url.search !== '' || url.hash !== '')
    throw new UsageError('--controller: the address must not have a query or fragment');
  if (scheme === 'ws:' && !insecure && !isLoopbackHost(url.hostname)) {
    throw new UsageError(
      `--controller: ${url.host} would be spoken to without TLS. Use https://, or add --insecure if the network between is trusted.`,
    );
  }
  const path = url.pathname.replace(/\/+$/, '');
  return `${scheme}//${url.host}${path.endsWith(channelPath) ? path : path + channelPath}`;
}

const schemes: Readonly<Record<string, string>> = { 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' };
