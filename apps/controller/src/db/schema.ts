import type { AccessType, GatewayIntent, PolicyType, RoleType } from '@sallyport/contract';
import type { Generated, Insertable, Selectable, Updateable } from 'kysely';
import type { FactTable, ReplicaTable } from './replica-tables.ts';
import type {
  CliCodeTable,
  IdentityProviderTable,
  MailTable,
  ProviderGrantTable,
  SessionTable,
  SignInLinkTable,
  SignInMethodTable,
} from './sign-in-tables.ts';

/**
 * Tables as queries see them, the same in every dialect: text ids, integer epoch milliseconds, 0/1 booleans, JSON as
 * text through `json.ts`. The migrations explain the columns.
 */
export interface Database {
  meta: { key: string; value: string };
  commit_marks: { id: string; at: number };
  replicas: ReplicaTable;
  facts: FactTable;
  tenants: TenantTable;
  api_keys: ApiKeyTable;
  overlay_leases: OverlayLeaseTable;
  overlay_blocks: { block: number; tenant_id: string; used: number };
  virtual_addresses: VirtualAddressTable;
  gateways: GatewayTable;
  deleted_gateways: { id: string; tenant_id: string; deleted_at: number };
  devices: DeviceTable;
  deleted_devices: { id: string; tenant_id: string; deleted_at: number };
  agent_holders: AgentHolderTable;
  enrolment_keys: EnrolmentKeyTable;
  relay_pairs: RelayPairTable;
  users: UserTable;
  groups: GroupTable;
  group_members: GroupMemberTable;
  roles: RoleTable;
  user_roles: { tenant_id: string; user_id: string; role_id: string };
  group_roles: { tenant_id: string; group_id: string; role_id: string };
  protocols: ProtocolTable;
  resources: ResourceTable;
  addresses: AddressTable;
  address_protocols: { tenant_id: string; address_id: string; protocol_id: string; position: number };
  resource_gateways: { tenant_id: string; resource_id: string; gateway_id: string; position: number };
  admission_rules: AdmissionRuleTable;
  policies: PolicyTable;
  policy_members: PolicyMemberTable;
  sign_in_methods: SignInMethodTable;
  sessions: SessionTable;
  sign_in_links: SignInLinkTable;
  mails: MailTable;
  finished_attempts: { hash: string; ends_at: number };
  guess_windows: { key: string; ends_at: number; failures: number };
  cli_codes: CliCodeTable;
  forgotten_passwords: { id: string; created_at: number; content: string };
  identity_providers: IdentityProviderTable;
  provider_groups: { tenant_id: string; provider_id: string; value: string; group_id: string };
  provider_grants: ProviderGrantTable;
  provider_logouts: { tenant_id: string; provider_id: string; token_hash: string; expires_at: number };
  audit_events: AuditEventTable;
  audit_anchors: { tenant_id: string; revision: number; seq: number; hash: string };
  change_log: ChangeLogTable;
  idempotency_keys: IdempotencyKeyTable;
}

/** A row of a table as queries return it. */
export type Row<T extends keyof Database> = Selectable<Database[T]>;

/** A row of a table as it is inserted. */
export type NewRow<T extends keyof Database> = Insertable<Database[T]>;

/** Columns of a table as an update sets them. */
export type RowUpdate<T extends keyof Database> = Updateable<Database[T]>;
/** 0 or 1. */
export type Bit = number;
/** Tables whose rows belong to one tenant and are queried through `scoped`. */
export type TenantScoped = {
  [T in keyof Database]: Database[T] extends { tenant_id: string } ? T : never;
}[keyof Database];

interface TenantTable {
  id: string;
  created_at: number;
  name: string;
  revision: number;
  /** Hash of the newest audit event. */
  audit_hash: Generated<string>;
  overlay_v6: string;
  mtu: number;
  lease_ms: number;
  time_zone: Generated<string>;
  audit_retention_days: number | null;
  drain_ms: Generated<number>;
  local_network: Generated<'CLOSED' | 'RESOLVERS' | 'OPEN'>;
  other_names: Generated<'FORWARD' | 'REFUSE'>;
  version: Generated<number>;
  slug: string | null;
  sign_in: Generated<string>;
}

interface ApiKeyTable {
  id: string;
  tenant_id: string;
  created_at: number;
  name: string;
  role: RoleType;
  prefix: string;
  hash: string;
  expires_at: number | null;
  last_used_at: number | null;
}

interface OverlayLeaseTable {
  number: number;
  tenant_id: string;
  owner_kind: 'gateway' | 'device';
  owner_id: string;
  rests_until: number | null;
}

interface VirtualAddressTable {
  tenant_id: string;
  network: string;
  name: string;
  number: number;
  rests_until: number | null;
  used_at: Generated<number | null>;
}

interface GatewayTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  name: string;
  description: string | null;
  wireguard_port: number;
  endpoint: string | null;
  discovered_endpoint: string | null;
  intent: GatewayIntent;
  relay_enabled: Bit;
  masquerade: Bit;
  /** Null: the tenant's value applies. */
  mtu: number | null;
  /** JSON: `DnsServer[]`. */
  dns_servers: string;
  /** Empty: the network of all gateways without a label. */
  network: string;
  deployed_on: number | null;
  last_online: number | null;
  error: string | null;
  token_hash: string;
  token_ciphertext: string;
  identity_key: string | null;
  wireguard_key: string | null;
  overlay_v4: string;
  overlay_v6: string;
  mapping_independent: Bit | null;
  /** `host:port` by the source of its channel, whether or not a beacon sees the gateway. */
  channel_endpoint: string | null;
  relay_from: Generated<number>;
  relay_to: Generated<number>;
  drain_since: number | null;
  /** JSON: a list of labels. */
  labels: Generated<string>;
  /** JSON: the upgrade that was last asked for. */
  upgrade: string | null;
  upgrade_open: Generated<Bit>;
}

interface DeviceTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  name: string;
  active: Bit;
  user_id: string | null;
  hardware_id: string;
  public_key: string;
  app_version: string | null;
  posture: string | null;
  last_connection: number | null;
  overlay_v4: string;
  overlay_v6: string;
  source_ip: string | null;
  identity_key: string | null;
  reported_posture: string | null;
  entry_gateway_id: string | null;
  mapped_endpoint: string | null;
  labels: Generated<string>;
}

interface EnrolmentKeyTable {
  id: string;
  tenant_id: string;
  created_at: number;
  expires_at: number;
  used_at: number | null;
  name: string | null;
  user_id: string | null;
  secret_hash: string;
}

interface RelayPairTable {
  id: string;
  tenant_id: string;
  a: string;
  b: string;
  relay_id: string;
  port: number;
  created_at: number;
  needed_at: number;
}

interface ProtocolTable {
  id: string;
  tenant_id: string;
  created_at: number;
  name: string;
  type: 'ALL' | 'PREDEFINED' | 'CUSTOM';
  network_protocols: string;
}

interface ResourceTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  name: string;
  type: AccessType;
  description: string | null;
  load_balancing_mode: 'MANUAL' | 'AUTOMATIC';
  labels: Generated<string>;
}

interface AddressTable {
  id: string;
  tenant_id: string;
  resource_id: string;
  position: number;
  address: string;
}

interface AdmissionRuleTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  name: string;
  type: 'ALLOW' | 'DENY' | 'CUSTOM';
  has_time_constraint: Bit;
  rule: string | null;
  built_in: Bit;
  version: Generated<number>;
  time_zone: string | null;
}

interface UserTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  email: string;
  email_key: string;
  status: 'ACTIVE' | 'INVITED' | 'DEACTIVATED';
  invited_at: number;
  is_owner: Bit;
  first_name: string | null;
  last_name: string | null;
  image: string | null;
  department: string | null;
  attributes: string;
  max_devices: number | null;
  last_connection: number | null;
}

interface GroupTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  name: string;
  description: string | null;
  max_devices: number;
  is_default: Bit;
  is_saml_default: Bit;
  idp_mapping: string;
}

interface GroupMemberTable {
  tenant_id: string;
  group_id: string;
  user_id: string;
  created_at: number;
  /** Provider that the membership comes from. Null: administrators. */
  provider_id: Generated<string | null>;
}

interface RoleTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  name: string;
  description: string | null;
  type: RoleType;
}

interface PolicyTable {
  id: string;
  tenant_id: string;
  created_at: number;
  updated_at: number;
  version: number;
  name: string;
  description: string | null;
  action: Bit;
  position: number;
  is_default: Bit;
  type: PolicyType;
  mode: 'LOCAL' | 'RESTRICTED' | 'INTERNET_ACCESS_POINT' | null;
  all_groups: Bit;
  all_users: Bit;
  all_devices: Bit;
  all_resources: Bit;
  source_ips: string;
  rule_id: string;
}

interface PolicyMemberTable {
  tenant_id: string;
  policy_id: string;
  kind: 'device' | 'resource' | 'gateway' | 'user' | 'group';
  member_id: string;
  position: number;
}

interface AuditEventTable {
  tenant_id: string;
  revision: number;
  seq: number;
  at: number;
  actor_kind: string;
  actor_id: string | null;
  actor_name: string;
  source_ip: string | null;
  request_id: string | null;
  action: string;
  kind: string;
  object_id: string;
  before: string | null;
  after: string | null;
  prev_hash: string;
  hash: string;
}

interface AgentHolderTable {
  agent: string;
  tenant_id: string;
  replica: string;
  generation: number;
  previous: string | null;
  claimed_at: number;
}

interface ChangeLogTable {
  tenant_id: string;
  revision: number;
  seq: number;
  kind: string;
  object_id: string;
  op: string;
}

interface IdempotencyKeyTable {
  tenant_id: string;
  actor_id: string;
  key: string;
  created_at: number;
  request_hash: string;
  status: number;
  answer_ciphertext: string;
}
