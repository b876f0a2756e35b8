import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAddress } from '@sallyport/ip';
import { releaseFolder } from '@sallyport/program/place';
import { z } from 'zod';
import type { BeaconSettings } from './beacon/beacon.ts';
import type { QuotaLimits } from './budgets/quotas.ts';
import { defaultWriteRate, type WriteRate } from './budgets/write-budget.ts';
import {
  basePath,
  beaconEndpoint,
  listen,
  listenOrOff,
  overlay,
  prefixes,
  publicUrl,
  quotas,
  virtualRange,
} from './config-forms.ts';
import { databaseOf, databaseUrl } from './database-config.ts';
import type { PostgresPlaces } from './db/postgres/place.ts';
import type { EgressSettings } from './egress/targets.ts';
import { OperatorError } from './errors.ts';
import { isLoopback } from './host-address.ts';
import { type MailSettings, mailFrom, mailOf, smtpUrl } from './mail/mail-config.ts';
import { ofOthers } from './settings-of-others.ts';
import { readTls, type Tls } from './tls.ts';

/** A setting of the controller as help and documents show it. */
export interface Setting {
  /** Environment variable. The flag is the same without the prefix: `--data-dir`. */
  readonly name: `SALLYPORT_${string}`;
  /** As people read it. */
  readonly fallback: string;
  readonly meaning: string;
  /** No flag, because command lines are public; `NAME_FILE` names a file that holds it. */
  readonly secret?: true;
}

/** Every setting of the controller. `docs/settings.md` holds the same table; a test compares the two. */
export const settings: readonly Setting[] = [
  { name: 'SALLYPORT_LISTEN', fallback: '127.0.0.1:8080', meaning: 'address of the API and of the agent channel' },
  { name: 'SALLYPORT_DATA_DIR', fallback: './data', meaning: 'database file, keys, operator socket' },
  {
    name: 'SALLYPORT_DATABASE_URL',
    fallback: 'none',
    meaning:
      '`postgres://user:password@host/database` instead of the embedded database; see [PostgreSQL](postgresql.md)',
    secret: true,
  },
  {
    name: 'SALLYPORT_DATABASE_DIRECT_URL',
    fallback: 'none',
    meaning: 'URL of the server itself when `SALLYPORT_DATABASE_URL` is that of a [pooler](postgresql.md#poolers)',
    secret: true,
  },
  {
    name: 'SALLYPORT_DATABASE_CA_FILE',
    fallback: 'the authorities that Node.js trusts',
    meaning: "certificates in PEM that vouch for the PostgreSQL server's",
  },
  { name: 'SALLYPORT_API_BASE_PATH', fallback: 'empty', meaning: 'path in front of the API, for example `/qa`' },
  {
    name: 'SALLYPORT_PUBLIC_URL',
    fallback: 'from the listen address',
    meaning: 'address of the controller that agents and people get',
  },
  {
    name: 'SALLYPORT_TRUSTED_PROXIES',
    fallback: 'none',
    meaning: 'comma-separated addresses and prefixes of proxies whose forwarded source addresses are trusted',
  },
  {
    name: 'SALLYPORT_BEACON_LISTEN',
    fallback: '0.0.0.0:51818',
    meaning: 'UDP beacon, this port and the next one; `off` turns it off',
  },
  {
    name: 'SALLYPORT_BEACON_ENDPOINT',
    fallback: 'host of `SALLYPORT_PUBLIC_URL`',
    meaning: 'where agents reach the beacon: host, or host:port when its first port has another number there',
  },
  {
    name: 'SALLYPORT_BEACON_SECOND_ADDRESS',
    fallback: 'none',
    meaning: 'another IP address of this host, for the second port of the beacon; agents must reach it',
  },
  {
    name: 'SALLYPORT_METRICS_LISTEN',
    fallback: '127.0.0.1:9464',
    meaning:
      'Prometheus metrics of the whole controller at `/metrics`, without a key; keep it on loopback or on a network that only the operator reaches; `off` turns it off',
  },
  {
    name: 'SALLYPORT_OVERLAY',
    fallback: '100.64.0.0/11',
    meaning: 'IPv4 network of the addresses in the tunnel; see below',
  },
  {
    name: 'SALLYPORT_VIRTUAL_RANGE',
    fallback: '100.96.0.0/11',
    meaning: 'IPv4 network of the addresses that stand for host names of resources; see below',
  },
  {
    name: 'SALLYPORT_EGRESS_ALLOW',
    fallback: 'none',
    meaning:
      'comma-separated addresses and prefixes that calls made for tenants may reach although they are not public',
  },
  {
    name: 'SALLYPORT_EGRESS_DENY',
    fallback: 'none',
    meaning:
      'comma-separated addresses and prefixes that no call made for a tenant may reach; wins over `SALLYPORT_EGRESS_ALLOW`',
  },
  {
    name: 'SALLYPORT_EGRESS_DETAILS',
    fallback: 'false',
    meaning: '`true`: tenants see resolved addresses, and why a call failed',
  },
  {
    name: 'SALLYPORT_TENANT_QUOTAS',
    fallback: 'generous, see below',
    meaning: 'how many objects of a kind a tenant may have: `devices=500,gateways=20`; other kinds keep the default',
  },
  {
    name: 'SALLYPORT_TENANT_WRITES_PER_SECOND',
    fallback: '50',
    meaning: 'sustained write rate of one tenant through the API; a burst may use 200 seconds of it',
  },
  {
    name: 'SALLYPORT_BOOTSTRAP_API_KEY',
    fallback: 'none',
    meaning:
      "on an empty database, becomes the first tenant's API key (32 to 256 visible ASCII characters); ignored with a log line (info) when a tenant exists",
    secret: true,
  },
  {
    name: 'SALLYPORT_LOCAL_GATEWAY',
    fallback: 'auto',
    meaning:
      '`auto`, `on`, `off`: a gateway on the machine of the controller; `auto` starts one where it has the rights',
  },
  {
    name: 'SALLYPORT_MASTER_KEY_FILE',
    fallback: '`master.key` in the data directory',
    meaning: 'key that encrypts secrets at rest: 64 hexadecimal digits',
  },
  {
    name: 'SALLYPORT_COUNTRY_DATABASE_FILE',
    fallback: 'none',
    meaning:
      'IP database in the MaxMind DB format, for the country of source addresses; without it, country conditions are never met',
  },
  {
    name: 'SALLYPORT_NEW_EPOCH',
    fallback: 'false',
    meaning:
      '`true`, for one start: gateways take this copy of the database as the new truth, instead of refusing to go back',
  },
  {
    name: 'SALLYPORT_SMTP_URL',
    fallback: 'none',
    meaning: 'mail server for invitations, new passwords and notices: `smtp://user:password@host:587` or `smtps://…`',
    secret: true,
  },
  {
    name: 'SALLYPORT_MAIL_FROM',
    fallback: 'none',
    meaning: 'sender of mails, for example `Example VPN <vpn@example.com>`; needed with `SALLYPORT_SMTP_URL`',
  },
  {
    name: 'SALLYPORT_INSTALL_DIR',
    fallback: '`build/out` of a clone; `/var/lib/sallyport/releases` with a package',
    meaning: 'folder of the signed archives that `/install` serves to gateways and devices',
  },
  {
    name: 'SALLYPORT_RELEASE_KEY_FILE',
    fallback: '`release-key.pem` in that folder',
    meaning: 'public key of the releases in PEM, which `/install` pins on each host',
  },
  { name: 'SALLYPORT_TLS_CERT_FILE', fallback: 'none', meaning: 'TLS in the process: certificate chain in PEM' },
  { name: 'SALLYPORT_TLS_KEY_FILE', fallback: 'none', meaning: 'TLS in the process: private key in PEM' },
  {
    name: 'SALLYPORT_LOG_LEVEL',
    fallback: 'info',
    meaning: '`fatal`, `error`, `warn`, `info`, `debug`, `trace`, `silent`',
  },
];

/** What the controller runs with, read and checked. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  /** Null: the embedded database in the data directory. */
  readonly database: PostgresPlaces | null;
  /** Begin another history of revisions, after the database was restored. */
  readonly newEpoch: boolean;
  readonly basePath: string;
  readonly publicUrl: string | null;
  readonly trustedProxies: readonly string[];
  readonly beacon: Pick<BeaconSettings, 'listen' | 'endpoint' | 'secondAddress'>;
  readonly metricsListen: { readonly host: string; readonly port: number } | null;
  /** Null: the range that the database has. */
  readonly overlay: string | null;
  /** Null: the range that the database has. */
  readonly virtualRange: string | null;
  readonly egress: EgressSettings;
  readonly quotas: QuotaLimits;
  readonly writeRate: WriteRate;
  readonly bootstrapApiKey: string | null;
  readonly localGateway: 'auto' | 'on' | 'off';
  readonly masterKey: { readonly file: string; readonly mayCreate: boolean };
  readonly countryDatabaseFile: string | null;
  /** Null: the controller sends no mail. */
  readonly mail: MailSettings | null;
  /** Where the archives for gateways and devices are. */
  readonly packages: { readonly folder: string; readonly keyFile: string | null };
  readonly tls: Tls | null;
  readonly logLevel: string;
}

/** What a command line asks for. */
export type Invocation =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'run'; readonly config: Config };

/** Settings from flags, then environment, then defaults. Throws OperatorError that lists everything wrong at once. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, argv: readonly string[]): Invocation {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help' };
  if (argv.includes('--version')) return { kind: 'version' };
  const problems: string[] = [];
  const texts = { ...fromEnvironment(env, problems), ...fromFlags(argv, problems) };
  const parsed = shape.safeParse(texts);
  if (!parsed.success) problems.push(...parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`));
  if (problems.length > 0 || !parsed.success) throw new OperatorError(problems.join('\n'));
  return { kind: 'run', config: configOf(parsed.data) };
}

function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('SALLYPORT_') || ofOthers.includes(name) || value === undefined || value === '') continue;
    const secret = settings.find((setting) => setting.secret && name === `${setting.name}_FILE`);
    if (settings.some((setting) => setting.name === name)) texts[name] = value;
    else if (secret !== undefined) texts[secret.name] = secretFrom(name, value, env[secret.name], problems);
    else problems.push(`${name} is not a setting; see --help`);
  }
  return texts;
}

function secretFrom(name: string, file: string, direct: string | undefined, problems: string[]): string {
  if (direct) problems.push(`${name} and ${name.slice(0, -'_FILE'.length)} are both set; one is enough`);
  return readFile(name, file, problems).toString('utf8').trim();
}

function readFile(name: string, file: string, problems: string[]): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    problems.push(`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return Buffer.alloc(0);
  }
}

function fromFlags(argv: readonly string[], problems: string[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    const [flag = '', ...rest] = argument.split('=');
    const setting = settings.find(({ name }) => flagOf(name) === flag);
    if (setting === undefined)
      problems.push(`${flag.startsWith('--') ? flag : 'an argument'} is not an option; see --help`);
    else if (setting.secret) {
      if (rest.length === 0 && !argv[at + 1]?.startsWith('--')) at++;
      problems.push(`${flag}: secrets are not taken as options; use ${setting.name} or ${setting.name}_FILE`);
    } else {
      const value = rest.length > 0 ? rest.join('=') : argv[++at];
      if (value === undefined) problems.push(`${flag} needs a value`);
      else texts[setting.name] = value;
    }
  }
  return texts;
}

/** Returns the flag of a setting: `SALLYPORT_DATA_DIR` is `--data-dir`. */
export const flagOf = (name: string): string =>
  `--${name.slice('SALLYPORT_'.length).toLowerCase().replaceAll('_', '-')}`;

const shape = z.object({
  SALLYPORT_LISTEN: listen(1, 'for example 127.0.0.1:8080 or [::1]:8080').prefault('127.0.0.1:8080'),
  SALLYPORT_DATA_DIR: z.string().default('./data'),
  SALLYPORT_DATABASE_URL: databaseUrl.optional(),
  SALLYPORT_DATABASE_DIRECT_URL: databaseUrl.optional(),
  SALLYPORT_DATABASE_CA_FILE: z.string().optional(),
  SALLYPORT_API_BASE_PATH: basePath.default(''),
  SALLYPORT_PUBLIC_URL: publicUrl.optional(),
  SALLYPORT_TRUSTED_PROXIES: prefixes.optional(),
  SALLYPORT_BEACON_LISTEN: listenOrOff(2, 'with a port below 65535, or off').prefault('0.0.0.0:51818'),
  SALLYPORT_BEACON_ENDPOINT: beaconEndpoint.optional(),
  SALLYPORT_BEACON_SECOND_ADDRESS: z
    .string()
    .refine((text) => parseAddress(text) !== null, 'must be an IP address of this host')
    .optional(),
  SALLYPORT_OVERLAY: overlay.optional(),
  SALLYPORT_VIRTUAL_RANGE: virtualRange.optional(),
  SALLYPORT_EGRESS_ALLOW: prefixes.optional(),
  SALLYPORT_EGRESS_DENY: prefixes.optional(),
  SALLYPORT_EGRESS_DETAILS: z.enum(['true', 'false'], 'must be true or false').default('false'),
  SALLYPORT_METRICS_LISTEN: listenOrOff(1, 'for example 127.0.0.1:9464, or off').prefault('127.0.0.1:9464'),
  SALLYPORT_TENANT_QUOTAS: quotas.prefault(''),
  SALLYPORT_TENANT_WRITES_PER_SECOND: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, 'must be a whole number from 1')
    .default(String(defaultWriteRate.perSecond)),
  SALLYPORT_BOOTSTRAP_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{32,256}$/, 'must be 32 to 256 visible ASCII characters')
    .optional(),
  SALLYPORT_LOCAL_GATEWAY: z.enum(['auto', 'on', 'off'], 'must be auto, on or off').default('auto'),
  SALLYPORT_MASTER_KEY_FILE: z.string().optional(),
  SALLYPORT_COUNTRY_DATABASE_FILE: z.string().optional(),
  SALLYPORT_NEW_EPOCH: z.enum(['true', 'false'], 'must be true or false').default('false'),
  SALLYPORT_SMTP_URL: smtpUrl.optional(),
  SALLYPORT_MAIL_FROM: mailFrom.optional(),
  SALLYPORT_INSTALL_DIR: z.string().optional(),
  SALLYPORT_RELEASE_KEY_FILE: z.string().optional(),
  SALLYPORT_TLS_CERT_FILE: z.string().optional(),
  SALLYPORT_TLS_KEY_FILE: z.string().optional(),
  SALLYPORT_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'must be a log level; see --help')
    .default('info'),
});

function configOf(values: z.output<typeof shape>): Config {
  const dataDir = resolve(values.SALLYPORT_DATA_DIR);
  const keyFile = values.SALLYPORT_MASTER_KEY_FILE;
  return {
    listen: values.SALLYPORT_LISTEN,
    dataDir,
    database: databaseOf(values),
    basePath: values.SALLYPORT_API_BASE_PATH,
    publicUrl: values.SALLYPORT_PUBLIC_URL?.replace(/\/+$/, '') ?? null,
    trustedProxies: values.SALLYPORT_TRUSTED_PROXIES ?? [],
    beacon: {
      listen: values.SALLYPORT_BEACON_LISTEN,
      endpoint: values.SALLYPORT_BEACON_ENDPOINT ?? endpointOf(values.SALLYPORT_PUBLIC_URL),
      secondAddress: values.SALLYPORT_BEACON_SECOND_ADDRESS ?? null,
    },
    metricsListen: values.SALLYPORT_METRICS_LISTEN,
    overlay: values.SALLYPORT_OVERLAY ?? null,
    virtualRange: values.SALLYPORT_VIRTUAL_RANGE ?? null,
    egress: {
      allow: values.SALLYPORT_EGRESS_ALLOW ?? [],
      deny: values.SALLYPORT_EGRESS_DENY ?? [],
      details: values.SALLYPORT_EGRESS_DETAILS === 'true',
    },
    quotas: values.SALLYPORT_TENANT_QUOTAS,
    writeRate: { ...defaultWriteRate, perSecond: Number(values.SALLYPORT_TENANT_WRITES_PER_SECOND) },
    bootstrapApiKey: values.SALLYPORT_BOOTSTRAP_API_KEY ?? null,
    localGateway: values.SALLYPORT_LOCAL_GATEWAY,
    masterKey: { file: keyFile ?? join(dataDir, 'master.key'), mayCreate: keyFile === undefined },
    countryDatabaseFile: values.SALLYPORT_COUNTRY_DATABASE_FILE ?? null,
    newEpoch: values.SALLYPORT_NEW_EPOCH === 'true',
    mail: mailOf(values.SALLYPORT_SMTP_URL, values.SALLYPORT_MAIL_FROM),
    packages: packagesOf(values),
    tls: readTls(values.SALLYPORT_TLS_CERT_FILE, values.SALLYPORT_TLS_KEY_FILE, Date.now()),
    logLevel: values.SALLYPORT_LOG_LEVEL,
  };
}

function packagesOf(values: z.output<typeof shape>): Config['packages'] {
  const { SALLYPORT_INSTALL_DIR: folder, SALLYPORT_RELEASE_KEY_FILE: key } = values;
  return {
    folder: folder === undefined ? releaseFolder : resolve(folder),
    keyFile: key === undefined ? null : resolve(key),
  };
}

/** Agents elsewhere would find themselves at a loopback address. */
function endpointOf(publicUrl: string | undefined): BeaconSettings['endpoint'] {
  if (publicUrl === undefined) return null;
  const host = new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  return isLoopback(host) ? null : { host, port: null };
}
