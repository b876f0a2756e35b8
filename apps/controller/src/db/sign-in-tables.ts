import type { Session, SignInLink, SignInMethod } from '@sallyport/contract';
import type { Generated } from 'kysely';

/* Tables of sign-in, as `schema.ts` has them. The migrations explain the columns. */

/** Sign-in methods of users. */
export interface SignInMethodTable {
  id: string;
  tenant_id: string;
  user_id: string;
  created_at: number;
  last_used_at: number | null;
  kind: SignInMethod['kind'];
  name: string;
  credential_id: string | null;
  /** Null for every kind but PROVIDER. */
  provider_id: Generated<string | null>;
  data: string;
}

/** Sessions of browsers and command lines. */
export interface SessionTable {
  id: string;
  tenant_id: string;
  user_id: string;
  token_hash: string;
  created_at: number;
  seen_at: number;
  expires_at: number;
  method: Session['method'];
  client: string;
  source_ip: string | null;
  /** Null: the session does not come from a provider. */
  grant_id: Generated<string | null>;
}

/** One-time codes of command lines. */
export interface CliCodeTable {
  user_id: string;
  tenant_id: string;
  code_hash: string;
  ends_at: number;
  session_id: string;
  challenge: string;
  port: number;
  host: string;
}

/** OpenID Connect providers. */
export interface IdentityProviderTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  name: string;
  issuer: string;
  client_id: string;
  client_secret: string | null;
  position: number;
  /** 0 or 1. */
  enabled: number;
  settings: string;
}

/** What sign-ins through providers go on with. */
export interface ProviderGrantTable {
  id: string;
  tenant_id: string;
  provider_id: string;
  method_id: string;
  sid: string | null;
  refresh_token: string | null;
  created_at: number;
  checked_at: number;
  next_check_at: number | null;
}

/** Links that let a person set a method. */
export interface SignInLinkTable {
  id: string;
  tenant_id: string;
  user_id: string | null;
  secret_hash: string;
  purpose: SignInLink['purpose'];
  created_at: number;
  expires_at: number;
  created_by: string | null;
}

/** Mails that wait, were sent or failed. */
export interface MailTable {
  id: string;
  tenant_id: string;
  user_id: string;
  created_at: number;
  kind: 'INVITATION' | 'PASSWORD' | 'NOTICE';
  link_id: string | null;
  state: 'WAITING' | 'SENT' | 'FAILED';
  content: string | null;
  tries: number;
  next_try_at: number;
  ended_at: number | null;
  failure: string | null;
}
