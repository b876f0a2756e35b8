import { beaconKeysPlace } from '../beacon/keys.ts';
import type { SealedColumn } from '../db/sealed.ts';
import { answerPurpose } from '../http/idempotency.ts';
import { tokenPurpose } from '../objects/gateways/token.ts';
import { mailPurpose } from '../objects/mail/outbox.ts';
import { refreshTokenPurpose } from '../objects/providers/grants.ts';
import { secretPurpose } from '../objects/providers/queries.ts';
import { forgottenPurpose } from '../objects/sign-in/forgotten.ts';
import { totpPurpose } from '../objects/sign-in/totp.ts';
import { hashKeyPlace } from '../secrets/box.ts';
import { earlierIdentityPlace } from '../secrets/identity.ts';

/** The sealed values of the table `meta`. Each is bound to its own key. */
const metaPlaces: ReadonlySet<string> = new Set(['identity', earlierIdentityPlace, hashKeyPlace, beaconKeysPlace]);

/** Every place of the database that holds values sealed with the master key. */
export const sealedPlaces: readonly SealedColumn[] = [
  {
    ...{ table: 'meta', column: 'value', key: ['key'] },
    purpose: ({ key = '' }) => (metaPlaces.has(key) ? key : null),
  },
  { table: 'gateways', column: 'token_ciphertext', key: ['id'], purpose: ({ id = '' }) => tokenPurpose(id) },
  { table: 'identity_providers', column: 'client_secret', key: ['id'], purpose: ({ id = '' }) => secretPurpose(id) },
  {
    ...{ table: 'provider_grants', column: 'refresh_token', key: ['id'] },
    purpose: ({ id = '' }) => refreshTokenPurpose(id),
  },
  { table: 'mails', column: 'content', key: ['id'], purpose: ({ id = '' }) => mailPurpose(id) },
  { table: 'forgotten_passwords', column: 'content', key: ['id'], purpose: () => forgottenPurpose },
  {
    ...{ table: 'sign_in_methods', column: 'data', key: ['id'], within: 'sealed', reads: 'user_id' },
    purpose: ({ user_id = '' }) => totpPurpose(user_id),
  },
  {
    ...{ table: 'idempotency_keys', column: 'answer_ciphertext', key: ['tenant_id', 'actor_id', 'key'] },
    purpose: ({ tenant_id = '', actor_id = '' }) => answerPurpose(tenant_id, actor_id),
  },
];
