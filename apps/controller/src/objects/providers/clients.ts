import { createRemoteJWKSet, type JWTVerifyGetKey, customFetch as joseFetch } from 'jose';
import {
  allowInsecureRequests,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  clockTolerance,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
  type ServerMetadata,
} from 'openid-client';
import { Egress } from '../../egress/egress.ts';
import type { EgressSettings } from '../../egress/targets.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { failureOf, ProviderFailure } from './failure.ts';
import { ProviderCalls } from './fetch.ts';
import { type ProviderRow, secretPurpose } from './store.ts';

/** How long metadata of a provider is kept, and how long its failure is, milliseconds. */
const keptMs = { metadata: 10 * 60_000, failure: 15_000 } as const;
/** Providers that are kept at once. The oldest is forgotten first. */
const kept = 1000;
/** How far the clocks of a provider and the controller may be apart, seconds. */
export const clockToleranceSeconds = 60;

/** A provider that can be asked. */
export interface ProviderClient {
  readonly config: Configuration;
  /** Keys that the provider signs with. They are fetched again when it signs with an unknown one. */
  readonly keys: JWTVerifyGetKey;
}

interface Kept {
  readonly client: Promise<ProviderClient>;
  until: number;
}

/** What is known about providers from their metadata. It is asked for once for everybody, and kept for ten minutes. */
export class ProviderClients {
  readonly #calls: ProviderCalls;
  readonly #box: Pick<SecretBox, 'open'>;
  readonly #now: () => number;
  readonly #details: boolean;
  readonly #kept = new Map<string, Kept>();

  constructor(settings: EgressSettings, box: Pick<SecretBox, 'open'>, now: () => number) {
    this.#calls = new ProviderCalls(new Egress(settings));
    this.#details = settings.details;
    this.#box = box;
    this.#now = now;
  }

  /** Returns a provider that can be asked. Throws ProviderFailure. */
  async of(row: ProviderRow): Promise<ProviderClient> {
    const key = `${row.id} ${row.version}`;
    const known = this.#kept.get(key);
    if (known !== undefined && known.until > this.#now()) return known.client;
    const client = this.discovered(row);
    const entry = { client, until: this.#now() + keptMs.metadata };
    client.catch(() => {
      entry.until = this.#now() + keptMs.failure;
    });
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > kept && oldest !== undefined) this.#kept.delete(oldest);
    return client;
  }

  /** Asks a provider for its metadata now. Throws ProviderFailure. */
  async discovered(row: ProviderRow): Promise<ProviderClient> {
    return this.telling(async () => {
      const secret = row.client_secret === null ? null : this.#box.open(row.client_secret, secretPurpose(row.id));
      const execute = [enableNonRepudiationChecks, ...(isLocal(row.issuer) ? [allowInsecureRequests] : [])];
      const config = await discovery(
        new URL(row.issuer),
        row.client_id,
        { [clockTolerance]: clockToleranceSeconds },
        (as, client, body, headers) => authentication(as, secret)(as, client, body, headers),
        { execute, timeout: 10, [customFetch]: this.#calls.fetch },
      );
      requireEndpoints(config, isLocal(row.issuer));
      const { jwks_uri } = config.serverMetadata();
      const fetch = this.#calls.fetch as unknown as typeof globalThis.fetch;
      const keys = createRemoteJWKSet(new URL(jwks_uri ?? ''), { [joseFetch]: fetch });
      return { config, keys };
    });
  }

  /** Runs calls to a provider. What they throw becomes a ProviderFailure. */
  async telling<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw failureOf(error, this.#details);
    }
  }
}

/** `client_secret_basic` is the default, and the way that most providers insist on (OpenID Connect Core, 9). */
function authentication({ token_endpoint_auth_methods_supported: ways }: ServerMetadata, secret: string | null) {
  if (secret === null) return None();
  const basic = ways === undefined || ways.includes('client_secret_basic') || !ways.includes('client_secret_post');
  return basic ? ClientSecretBasic(secret) : ClientSecretPost(secret);
}

function requireEndpoints(config: Configuration, local: boolean): void {
  const metadata = config.serverMetadata();
  for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    const url = URL.parse(metadata[name] ?? '');
    if (url === null) throw new ProviderFailure('refused', `The metadata of the provider has no ${name}`);
    if (url.protocol !== 'https:' && !(local && url.protocol === 'http:' && isLocal(url.href)))
      throw new ProviderFailure('refused', `The ${name} of the provider is no https:// URL`);
  }
}

/** Whether a URL has no TLS and is on this machine, which is for tests and development. */
const isLocal = (url: string): boolean => /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(url);
