/**
 * Every query of the controller that is not held to one tenant, each with the reason that stands in the code. A new
 * entry deserves a second look: could the query be scoped?
 */
export const UNSCOPED_QUERIES: { file: string; reason: string }[] = [
  { file: 'apps/controller/src/objects/sign-in/ageing.ts', reason: 'ageing is the same for every tenant' },
  {
    file: 'apps/controller/src/objects/sign-in/attempts.ts',
    reason: 'an attempt tells no tenant before it is finished',
  },
  { file: 'apps/controller/src/objects/sign-in/cli-codes.ts', reason: 'the code tells whose it is' },
  {
    file: 'apps/controller/src/objects/sign-in/guessing.ts',
    reason: 'guesses are counted by account and source, also those that are in no tenant',
  },
  { file: 'apps/controller/src/failed-over.ts', reason: 'the primary server is the same for all tenants' },
  {
    file: 'apps/controller/src/backup/restored.ts',
    reason: 'the epoch belongs to the controller, not to a tenant',
  },
  {
    file: 'apps/controller/src/beacon/announcer.ts',
    reason: 'without a beacon, what it saw is void in every tenant',
  },
  { file: 'apps/controller/src/beacon/announcer.ts', reason: 'the beacon sees the agents of all tenants' },
  {
    file: 'apps/controller/src/beacon/keys.ts',
    reason: 'the keys of the beacon belong to the controller, not to a tenant',
  },
  {
    file: 'apps/controller/src/beacon/known-agents.ts',
    reason: 'a WireGuard handshake names a key only; the tenant comes from the row',
  },
  {
    file: 'apps/controller/src/rotation/followers.ts',
    reason: 'the signing key is the same for the agents of all tenants',
  },
  {
    file: 'apps/controller/src/rotation/followers.ts',
    reason: 'which agents know the signing key belongs to the controller',
  },
  {
    file: 'apps/controller/src/rotation/master-key.ts',
    reason: 'the master key seals the secrets of all tenants',
  },
  {
    file: 'apps/controller/src/secrets/hash-key.ts',
    reason: 'the key of hashes belongs to the controller, not to a tenant',
  },
  { file: 'apps/controller/src/overlay/asked-names.ts', reason: 'names age alike in every tenant' },
  {
    file: 'apps/controller/src/objects/agents/wireguard-keys.ts',
    reason: 'a WireGuard key is the key of one agent, whatever its tenant',
  },
  {
    file: 'apps/controller/src/features/api-keys/authenticator.ts',
    reason: 'moments of use of all tenants are written together',
  },
  { file: 'apps/controller/src/features/api-keys/authenticator.ts', reason: 'the key tells which tenant calls' },
  { file: 'apps/controller/src/features/audit/retention.ts', reason: 'ageing is the same for every tenant' },
  {
    file: 'apps/controller/src/features/gateways/upgrades/upgrades.ts',
    reason: 'upgrades of all tenants go on after a start of the controller',
  },
  {
    file: 'apps/controller/src/features/devices/directory.ts',
    reason: 'a client knows the id of its device only; the tenant comes from the row',
  },
  {
    file: 'apps/controller/src/objects/enrolment-keys/redeem.ts',
    reason: 'a client knows the id of its key only; the tenant comes from the row',
  },
  {
    file: 'apps/controller/src/features/gateways/directory.ts',
    reason: 'an agent knows its gateway id only; the tenant comes from the row',
  },
  {
    file: 'apps/controller/src/features/gateways/local.ts',
    reason: 'which gateway is the local one belongs to the controller',
  },
  { file: 'apps/controller/src/objects/tenants/queries.ts', reason: 'the operator sees all tenants' },
  { file: 'apps/controller/src/http/health.ts', reason: 'touches no table' },
  { file: 'apps/controller/src/http/idempotency.ts', reason: 'ageing is the same for every tenant' },
  {
    file: 'apps/controller/src/overlay/blocks.ts',
    reason: 'blocks of overlay numbers are unique across tenants',
  },
  { file: 'apps/controller/src/overlay/range.ts', reason: 'the overlay belongs to the controller, not to a tenant' },
  {
    file: 'apps/controller/src/overlay/range-of-names.ts',
    reason: 'the range of names belongs to the controller, not to a tenant',
  },
  { file: 'apps/controller/src/paths/relay-pairs.ts', reason: 'ageing is the same for every tenant' },
  { file: 'apps/controller/src/paths/relay-pairs.ts', reason: 'draining is the same for every tenant' },
  {
    file: 'apps/controller/src/runtime/runtimes.ts',
    reason: 'an agent knows its own id only; the tenant comes from the row',
  },
  {
    file: 'apps/controller/src/secrets/identity.ts',
    reason: 'the identity belongs to the controller, not to a tenant',
  },
  {
    file: 'apps/controller/src/secrets/identity.ts',
    reason: 'the epoch belongs to the controller, not to a tenant',
  },
  {
    file: 'apps/controller/src/objects/sign-in/sessions.ts',
    reason: 'moments of use of all tenants are written together',
  },
  { file: 'apps/controller/src/objects/sign-in/sessions.ts', reason: 'the session tells which tenant calls' },
  { file: 'apps/controller/src/objects/sign-in/links.ts', reason: 'the secret of a link tells its tenant' },
  {
    file: 'apps/controller/src/objects/sign-in/account.ts',
    reason: 'the short name tells the tenant, before anybody is known',
  },
  {
    file: 'apps/controller/src/objects/sign-in/forgotten.ts',
    reason: 'whose password was forgotten is found out later',
  },
  {
    file: 'apps/controller/src/objects/sign-in/forgotten.ts',
    reason: 'whose password was forgotten is found out now',
  },
  { file: 'apps/controller/src/objects/sign-in/forgotten.ts', reason: 'the request ends with its mail' },
  { file: 'apps/controller/src/objects/sign-in/forgotten.ts', reason: 'ageing is the same for every tenant' },
  { file: 'apps/controller/src/mail/postman.ts', reason: 'the mails of all tenants leave through one server' },
  { file: 'apps/controller/src/objects/mail/retention.ts', reason: 'ageing is the same for every tenant' },
  { file: 'apps/controller/src/features/sign-in/passkey.ts', reason: 'the passkey tells its user and tenant' },
  { file: 'apps/controller/src/features/sign-in/routes.ts', reason: 'whether there is more than one tenant' },
  {
    file: 'apps/controller/src/features/sign-in-settings/routes.ts',
    reason: 'short names are unique on the controller',
  },
  { file: 'apps/controller/src/features/tenants/commands.ts', reason: 'short names are unique on the controller' },
  { file: 'apps/controller/src/objects/providers/queries.ts', reason: 'the provider tells its tenant' },
  { file: 'apps/controller/src/objects/sign-in/provider-checks.ts', reason: 'sign-ins of all tenants are due by time' },
  {
    file: 'apps/controller/src/replicas/overview.ts',
    reason: 'the operator sees the controllers of all tenants',
  },
  { file: 'apps/controller/src/replicas/shared.ts', reason: 'a replica works for all tenants' },
  { file: 'apps/controller/src/replicas/stored-facts.ts', reason: 'a replica follows the facts of all tenants' },
];
