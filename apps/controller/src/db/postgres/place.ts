import { type ConnectionOptions, checkServerIdentity } from 'node:tls';

/** Where a PostgreSQL database is, and how to get in. */
export interface PostgresPlace {
  /** Host name, address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | null;
  /** Null: no TLS. */
  readonly tls: ConnectionOptions | null;
}

/** The place as messages show it: without the password. */
export const shownPlace = ({ host, port, database, user }: PostgresPlace): string =>
  `${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`;

/**
 * Reads a database URL. TLS with a checked certificate is the default for every host but this one: `sslmode=disable` turns it
 * off, and modes that check nothing do not exist. `ca`: certificates of the authorities in PEM; null: those that Node.js
 * trusts. Returns what is wrong as a text.
 */
export function parseDatabaseUrl(text: string, ca: string | null): PostgresPlace | string {
  const url = urlOf(text);
  if (url === null) return shape;
  const { sslmode, host: folder, user, port, ...others } = Object.fromEntries(url.searchParams);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `has the parameter ${unknown}; sslmode, host, port and user are known`;
  if (sslmode !== undefined && !['disable', 'verify-full'].includes(sslmode))
    return `has sslmode=${sslmode}; take verify-full, or disable if the network in between is safe`;
  if (folder !== undefined && (!folder.startsWith('/') || url.hostname !== ''))
    return 'has a parameter host that is not the folder of a Unix socket';
  const place = {
    host: folder ?? decoded(hostOf(url)),
    port: Number(url.port || port || 5432),
    database: decoded(url.pathname.slice(1)),
    user: user ?? decoded(url.username),
  };
  const [{ host }, password] = [place, decoded(url.password)];
  if (!host || !place.user || !place.database || password === null || !isPort(place.port)) return shape;
  const secured = (sslmode ?? (isThisHost(host) ? 'disable' : 'verify-full')) === 'verify-full';
  if (secured && host.startsWith('/')) return 'has sslmode=verify-full and a Unix socket, which has no TLS';
  if (!secured && ca !== null) return 'is without TLS, but SALLYPORT_DATABASE_CA_FILE is set';
  return {
    host,
    port: place.port,
    database: place.database,
    user: place.user,
    password: password || null,
    tls: secured ? tlsOf(host, ca) : null,
  };
}

const shape = 'must be like postgres://user:password@host:5432/database';

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

function urlOf(text: string): URL | null {
  const url = URL.parse(text);
  return url !== null && ['postgres:', 'postgresql:'].includes(url.protocol) ? url : null;
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const isThisHost = (host: string): boolean =>
  host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\./.test(host);

const tlsOf = (host: string, ca: string | null): ConnectionOptions => ({
  ...(ca === null ? {} : { ca }),
  rejectUnauthorized: true,
  minVersion: 'TLSv1.2',
  // The driver connects the socket itself, so the name is checked here and not by chance.
  checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
});
