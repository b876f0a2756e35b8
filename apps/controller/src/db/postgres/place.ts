import { type ConnectionOptions, checkServerIdentity } from 'node:tls';

/** Where a PostgreSQL database is on one server, and how to get in. */
export interface PostgresPlace {
  /** Host name, address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | null;
  /** Null: no TLS. */
  readonly tls: ConnectionOptions | null;
  /** Where statements go, apart from those of the session that lasts. Left out: to the server itself. */
  readonly pooler?: PostgresPlace;
}

/** The place as messages show it: without the password. */
export const shownPlace = ({ host, port, database, user }: PostgresPlace): string =>
  `${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`;

/** Servers that hold the same database. One of them at a time is the primary server. */
export type PostgresPlaces = readonly [PostgresPlace, ...PostgresPlace[]];

/** Most servers of one URL. */
const mostServers = 8;

/** The places as messages show them. */
export const shownPlaces = (places: PostgresPlaces): string => places.map(shownPlace).join(', ');

/**
 * Reads a database URL, which may name several servers as libpq does: `postgres://user@one,two:5433/database`. TLS with a
 * checked certificate is the default for every host but this one: `sslmode=disable` turns it off, and modes that check
 * nothing do not exist. `ca`: certificates of the authorities in PEM; null: those that Node.js trusts. Returns what is wrong
 * as a text.
 */
export function parseDatabaseUrl(text: string, ca: string | null): PostgresPlaces | string {
  const urls = urlsOf(text);
  if (urls === null) return shape;
  if (urls.length > mostServers) return `names ${urls.length} servers; ${mostServers} are the most`;
  const places: PostgresPlace[] = [];
  for (const url of urls) {
    const place = readServer(url, ca);
    if (typeof place === 'string') return place;
    const twice = places.some(({ host, port }) => host === place.host && port === place.port);
    if (twice) return `names the server ${place.host}, port ${place.port}, twice`;
    places.push(place);
  }
  const [first, ...others] = places;
  if (first === undefined) return shape;
  if (ca !== null && places.every(({ tls }) => tls === null))
    return 'is without TLS, but SALLYPORT_DATABASE_CA_FILE is set';
  return [first, ...others];
}

/** Reads a URL with one server. */
function readServer(url: URL, ca: string | null): PostgresPlace | string {
  const parameters = Object.fromEntries(url.searchParams);
  const wrong = wrongParameter(parameters, url);
  if (wrong !== null) return wrong;
  const { sslmode, host: folder, user, port } = parameters;
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
  return {
    host,
    port: place.port,
    database: place.database,
    user: place.user,
    password: password || null,
    tls: secured ? tlsOf(host, ca) : null,
  };
}

function wrongParameter(parameters: Readonly<Record<string, string>>, url: URL): string | null {
  const { sslmode, host, user: _user, port: _port, target_session_attrs: target, ...others } = parameters;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `has the parameter ${unknown}; sslmode, host, port and user are known`;
  if (sslmode !== undefined && !['disable', 'verify-full'].includes(sslmode))
    return `has sslmode=${sslmode}; take verify-full, or disable if the network in between is safe`;
  if (host !== undefined && (!host.startsWith('/') || url.hostname !== ''))
    return 'has a parameter host that is not the folder of a Unix socket';
  // Only the primary server is taken, whether the URL says so or not.
  if (target !== undefined && !['primary', 'read-write'].includes(target))
    return `has target_session_attrs=${target}; only the primary server can be used`;
  return null;
}

const shape =
  'must be like postgres://user:password@host:5432/database, with commas between hosts if there are several';

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

/** Returns a URL for each server that a text names; null: it has another form. */
function urlsOf(text: string): URL[] | null {
  const [, before = '', hosts, after = ''] = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/is.exec(text) ?? [];
  if (hosts === undefined) return null;
  const several = hosts.split(',');
  if (several.length > 1 && several.includes('')) return null;
  const urls: URL[] = [];
  for (const host of several) {
    const url = URL.parse(before + host + after);
    if (url === null) return null;
    urls.push(url);
  }
  const [first] = urls;
  return urls.length === 1 && first !== undefined ? socketsOf(first) : urls;
}

/** Splits lists of folders and ports of Unix sockets. */
function socketsOf(url: URL): URL[] | null {
  const [folders, ports] = [url.searchParams.get('host')?.split(','), url.searchParams.get('port')?.split(',')];
  if (ports !== undefined && ports.length > 1 && ports.length !== folders?.length) return null;
  return (folders ?? [null]).map((folder, at) => {
    const one = new URL(url);
    if (folder !== null) one.searchParams.set('host', folder);
    const port = ports?.[at] ?? ports?.[0];
    if (port !== undefined) one.searchParams.set('port', port);
    return one;
  });
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
