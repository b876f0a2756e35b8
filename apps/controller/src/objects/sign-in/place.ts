/** Where people sign in. Pages, links, redirect addresses and the relying party of passkeys all come from here. */
export interface SignInPlace {
  /** `https://…` or `http://localhost…`, without a slash at the end. */
  readonly url: string;
  readonly origin: string;
  /** Relying party of passkeys (WebAuthn Level 3, 5.1.2): the host name. */
  readonly relyingParty: string;
}

/** Returns where people sign in, or why they cannot. Browsers allow passkeys and `Secure` cookies only over TLS and on localhost. */
export function signInPlace(publicUrl: string): SignInPlace | { readonly reason: string } {
  const { protocol, hostname, origin, port } = new URL(publicUrl);
  if (protocol === 'https:' && !isAddress(hostname)) return { url: origin, origin, relyingParty: hostname };
  if (protocol === 'https:') return { reason: addressText };
  if (hostname === 'localhost' || hostname.endsWith('.localhost'))
    return { url: origin, origin, relyingParty: hostname };
  if (!isLoopbackAddress(hostname)) return { reason: plainText(port === '' ? '80' : port) };
  const local = `http://localhost${port === '' ? '' : `:${port}`}`;
  return { url: local, origin: local, relyingParty: 'localhost' };
}

/** Returns the origin of the pages that people sign in with, or null where people cannot sign in. */
export function originOf(publicUrl: string): string | null {
  const place = signInPlace(publicUrl);
  return 'reason' in place ? null : place.origin;
}

const isAddress = (host: string): boolean => host.startsWith('[') || /^[\d.]+$/.test(host);
const isLoopbackAddress = (host: string): boolean => host === '[::1]' || /^127(\.\d+){3}$/.test(host);

const addressText =
  'Browsers accept no passkeys on an IP address. Give the controller a host name and set SALLYPORT_PUBLIC_URL to it';
const plainText = (port: string): string =>
  `Browsers keep a sign-in safe only over HTTPS. Give the controller TLS and set SALLYPORT_PUBLIC_URL to an https:// address, or forward the port ("ssh -L ${port}:localhost:${port} HOST") and set it to http://localhost:${port}`;
