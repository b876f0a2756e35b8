import type {
  AccessType,
  GatewayIntent,
  OperationName,
  Policy,
  PolicyType,
  Resource,
  SignInSettings,
  User,
} from '@sallyport/contract';
import type { Answer, Call, Client } from '../client.ts';
import type { Field } from './fields.ts';

/*
 * The content of a file about each kind of object, and the content of a tenant, in the same form. References are names
 * in a file and keys everywhere else. A key is the id of an existing object, or `+section/name` of an object that the
 * file adds.
 */

/** Settings of the tenant itself. Exactly one such item always exists. */
export interface SettingsItem {
  /** Name of the tenant. Exports omit it, so that applying a file to another tenant renames nothing. */
  name?: string;
  timeZone?: string;
  leaseSeconds?: number;
  drainSeconds?: number;
  localNetwork?: 'CLOSED' | 'RESOLVERS' | 'OPEN';
  otherNames?: 'FORWARD' | 'REFUSE';
  mtu?: number;
  auditRetentionDays?: number | 'forever';
}

/** A gateway. */
export interface GatewayItem {
  name: string;
  description: string;
  port: string;
  /** null: discovered. */
  endpoint: string | null;
  masquerade: boolean;
  intent: GatewayIntent;
  relay: boolean;
  relayPorts: string;
  /** null: as the settings say. */
  mtu: number | null;
  /** As people write them, such as `10.0.0.53:5353 corp.example`. None: those of its host. */
  dnsServers: string[];
  /** null: the network of all gateways without this label. */
  network: string | null;
  labels: string[];
}

/** A protocol. */
export interface ProtocolItem {
  name: string;
  /** Ports such as `TCP 443`, `UDP 5000-5100` or `ICMP`. */
  ports: string[];
}

/** A resource. */
export interface ResourceItem {
  name: string;
  type: AccessType;
  description: string;
  addresses: { address: string; protocols: string[] }[];
  mode: Resource['loadBalancingMode'];
  gateways: string[];
  labels: string[];
}

/** A group of users. */
export interface GroupItem {
  name: string;
  description: string;
  roles: string[];
  maxDevices: number;
  isSamlDefaultGroup: boolean;
  idpMapping: string[];
}

/** A user. */
export interface UserItem {
  email: string;
  /** Groups by key. Empty means the default group. */
  groups: string[];
  /** The user's own roles, without roles of the groups. */
  roles: string[];
  active: boolean;
  firstName?: string | null;
  lastName?: string | null;
  image?: string | null;
  department?: string | null;
  attributes?: NonNullable<User['attributes']>;
  maxDevices?: number | null;
}

/** An admission rule. */
export interface RuleItem {
  name: string;
  rule: string;
  hasTimeConstraint?: boolean;
  timeZone: string | null;
}

/** A policy. */
export interface PolicyItem {
  name: string;
  type: PolicyType;
  description: string;
  action: 'allow' | 'deny';
  mode: NonNullable<Policy['mode']> | null;
  /** The rule by key. Empty means the built-in rule. */
  rule: string;
  users: 'all' | string[];
  groups: 'all' | string[];
  devices: 'all' | string[];
  resources: 'all' | string[];
  gateways: string[];
  sourceIps: string[];
}

/** How people sign in. Exactly one such item always exists. */
export interface SignInItem {
  /** Unique on the controller, so exports omit it. */
  slug?: string;
  methods?: SignInSettings['methods'];
  secondFactor?: SignInSettings['secondFactor'];
  idleMinutes?: number;
  absoluteHours?: number;
  notices?: SignInSettings['notices'];
}

/** A secret by reference. */
export interface SecretItem {
  /** `env:NAME` or `file:PATH`. */
  from: string;
  /** The secret itself, once it is looked up. */
  found?: string;
}

/** A value of the groups claim, and the group that people with it join. */
export interface GroupMappingItem {
  value: string;
  group: string;
}

/** A sign-in provider. */
export interface ProviderItem {
  name: string;
  label: string | null;
  issuer: string;
  clientId: string;
  clientSecret?: SecretItem;
  scopes: string[];
  groupsClaim: string | null;
  groupMapping: GroupMappingItem[];
  emailDomains: string[];
  hostedDomains: string[];
  entraTenants: string[];
  requiredGroup: string | null;
  provisioning: boolean;
  trustEmail: boolean;
  requireAuthTime: boolean;
  assuresSecondFactor: boolean;
  position: number;
  enabled: boolean;
}

/** The item type of each section. */
export interface Items {
  settings: SettingsItem;
  signIn: SignInItem;
  gateways: GatewayItem;
  protocols: ProtocolItem;
  resources: ResourceItem;
  groups: GroupItem;
  providers: ProviderItem;
  users: UserItem;
  rules: RuleItem;
  policies: PolicyItem;
}
/** Name of a section. */
export type SectionName = keyof Items;

/** Every section, each after the sections that it refers to. */
export const sectionNames = [
  'settings',
  'signIn',
  'gateways',
  'protocols',
  'resources',
  'groups',
  'providers',
  'users',
  'rules',
  'policies',
] as const satisfies readonly SectionName[];

/** An existing object of the tenant. Its references are ids. */
export interface Live<I> {
  readonly id: string;
  readonly item: I;
  /** True for an object that is never deleted. */
  readonly builtIn: boolean;
}

/** An object as a file describes it. Its references are as written. */
export interface Declared<I> {
  readonly item: I;
  /** Tells objects of the same name apart. */
  readonly id: string | undefined;
  /** Returns the line of a field, or of the object when the field is omitted. Lines count from 1. */
  lineOf(field?: string): number;
}

/** An object of the file, and the object of the tenant that it means. */
export interface Match<I> {
  readonly declared: Declared<I>;
  /** Undefined when the object will be created. */
  readonly live: Live<I> | undefined;
  /** Id of an existing object; `+section/name` of an object to create. */
  readonly key: string;
}

/** A problem of a file. */
export interface Problem {
  readonly line: number;
  readonly message: string;
}

/** An API call that has not been sent yet. */
export interface Request {
  readonly name: OperationName;
  readonly body: unknown;
  send(api: Client, ifMatch?: string): Promise<Answer<unknown>>;
}

/** Creates a call of an operation. */
export function request<N extends OperationName>(name: N, call: Call<N>): Request {
  return {
    name,
    body: call.body,
    send: (api, ifMatch) => api.call(name, ifMatch === undefined ? call : { ...call, ifMatch }),
  };
}

/** How objects of one kind are read and written. References in these items are ids. */
export interface Family<I extends object> {
  readonly word: string;
  readonly fields: { readonly [K in keyof I]-?: Field<Exclude<I[K], undefined>> };
  /** Fields that cannot change after creation. */
  readonly fixed: readonly (keyof I)[];
  /** Fields that files can hold and exports omit. */
  readonly notExported?: readonly (keyof I)[];
  /** True when exactly one such object exists. It is a map in files, not a list. */
  readonly single?: true;
  /** True when built-in objects appear in files, too. */
  readonly showsBuiltIn: boolean;
  /** Returns the objects in the order of writing; by default that is the order of the file. */
  inOrder?(all: readonly Match<I>[], problems: Problem[]): readonly Match<I>[];
  nameOf(item: I): string;
  /** Returns whether two items mean the same object. */
  keyOf(item: I): string;
  /** Reads one object as it is now, with its entity tag. */
  read(api: Client, id: string): Promise<{ live: Live<I>; etag: string | undefined }>;
  create(item: I): Request;
  /** Requests that complete a new object. */
  finish(id: string, item: I): Request[];
  change(id: string, before: I, after: I, changed: ReadonlySet<keyof I>): Request[];
  remove(id: string): Request;
}

/** Returns whether any of these fields changes. */
export const touches = <K>(changed: ReadonlySet<K>, ...fields: K[]): boolean =>
  fields.some((field) => changed.has(field));
