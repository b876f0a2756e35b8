import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTestCode, readSources } from './workspace.ts';

/** Files that seal with the master key, and the table that keeps it; null: nothing is stored. */
const SEALING: Record<string, string | null> = {
  'beacon/keys.ts': 'meta',
  'features/my-account/routes.ts': 'sign_in_methods',
  'features/providers/commands.ts': 'identity_providers',
  'http/idempotency.ts': 'idempotency_keys',
  'objects/gateways/token.ts': 'gateways',
  'objects/mail/outbox.ts': 'mails',
  'objects/providers/grants.ts': 'provider_grants',
  // Travels with the client for minutes.
  'objects/sign-in/attempts.ts': null,
  'objects/sign-in/forgotten.ts': 'forgotten_passwords',
  'secrets/identity.ts': 'meta',
};

const home = 'apps/controller/src/';
const files = readSources().filter(({ path }) => path.startsWith(home) && !isTestCode(path));

test('every secret that the program seals is sealed again when the master key is replaced', () => {
  const sealing = files
    .filter(({ path, code }) => !path.includes('/rotation/') && /\bbox\.seal\(/.test(code))
    .map(({ path }) => path.slice(home.length));
  assert.deepEqual(sealing.sort(), Object.keys(SEALING).sort(), 'name the new place in rotation/sealed-places.ts');
  const places = files.find(({ path }) => path === `${home}rotation/sealed-places.ts`)?.source ?? '';
  const tables = new Set([...places.matchAll(/\btable: '(\w+)'/g)].map(([, table]) => table ?? ''));
  assert.deepEqual([...tables].sort(), [...new Set(Object.values(SEALING).filter((table) => table !== null))].sort());
});
