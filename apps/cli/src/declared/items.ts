import type { AccessType, GatewayIntent, OperationName, Policy, PolicyType, Resource, User } from '@sallyport/contract';
import type { Answer, Call, Client } from '../client.ts';
import type { Field } from './fields.ts';

/*
 * What a file says about each kind of object, and what a tenant has, in the same form. References are names in a file,
 * and keys everywhere else: the id of an object that exists, or `+section/name` of one that the file adds.
 */

/** The settings of the tenant itself; there is one of these, and it always exists. */
export interface SettingsItem {
  /** Which tenant it is: exported files do not say, so that applying one elsewhere renames nothing. */
  name?: string;
  timeZone?: string;
  leaseSeconds?: number;
  drainSeconds?: number;
  localNetwork?: 'CLOSED' | 'RESOLVERS' | 'OPEN';
  mtu?: number;
  auditRetentionDays?: number | 'forever';
}

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
}

export interface ProtocolItem {
  name: string;
  /** `TCP 443`, `UDP 5000-5100`, `ICMP` */
  ports: string[];
}

export interface ResourceItem {
  name: string;
  type: AccessType;
  description: string;
  addresses: { address: string; protocols: string[] }[];
  mode: Resource['loadBalancingMode'];
  gateways: string[];
}

export interface GroupItem {
  name: string;
  description: string;
  roles: string[];
  maxDevices: number;
  isSamlDefaultGroup: boolean;
  idpMapping: string[];
}

export interface UserItem {
  email: string;
  /** Empty: the default group. */
  groups: string[];
  /** Those of the user, without those of the groups. */
  roles: string[];
  active: boolean;
  firstName?: string | null;
  lastName?: string | null;
  image?: string | null;
  department?: string | null;
  attributes?: NonNullable<User['attributes']>;
  maxDevices?: number | null;
}

export interface RuleItem {
  name: string;
  rule: string;
  hasTimeConstraint?: boolean;
  timeZone: string | null;
}

export interface PolicyItem {
  name: string;
  type: PolicyType;
  description: string;
  action: 'allow' | 'deny';
  mode: NonNullable<Policy['mode']> | null;
  /** Empty: the built-in rule. */
  rule: string;
  users: 'all' | string[];
  groups: 'all' | string[];
  devices: 'all' | string[];
  resources: 'all' | string[];
  gateways: string[];
  sourceIps: string[];
}

export interface Items {
  settings: SettingsItem;
  gateways: GatewayItem;
  protocols: ProtocolItem;
  resources: ResourceItem;
  groups: GroupItem;
  users: UserItem;
  rules: RuleItem;
  policies: PolicyItem;
}
export type SectionName = keyof Items;

/** Every section, each behind those that it refers to. */
export const sectionNames = [
  'settings',
  'gateways',
  'protocols',
  'resources',
  'groups',
  'users',
  'rules',
  'policies',
] as const satisfies readonly SectionName[];

/** An object of the tenant. References are ids. */
export interface Live<I> {
  readonly id: string;
  readonly item: I;
  /** Never deleted. */
  readonly builtIn: boolean;
}

/** An object as a file describes it. Its references are as they are written. */
export interface Declared<I> {
  readonly item: I;
  /** Where the name alone does not say which object is meant. */
  readonly id: string | undefined;
  /** Line of a field; of the object when the field is left out. Counts from 1. */
  lineOf(field?: string): number;
}

/** An object of the file, and the one of the tenant that it means. */
export interface Match<I> {
  readonly declared: Declared<I>;
  /** undefined: it is to be made. */
  readonly live: Live<I> | undefined;
  /** Id of what exists; `+section/name` of what is to be made. */
  readonly key: string;
}

/** Something wrong with a file. */
export interface Problem {
  readonly line: number;
  readonly message: string;
}

/** A call of the API that is not made yet. */
export interface Request {
  readonly name: OperationName;
  readonly body: unknown;
  send(api: Client, ifMatch?: string): Promise<Answer<unknown>>;
}

export function request<N extends OperationName>(name: N, call: Call<N>): Request {
  return {
    name,
    body: call.body,
    send: (api, ifMatch) => api.call(name, ifMatch === undefined ? call : { ...call, ifMatch }),
  };
}

/** How objects of one kind are read and written. References in items are ids here. */
export interface Family<I extends object> {
  readonly word: string;
  readonly fields: { readonly [K in keyof I]-?: Field<Exclude<I[K], undefined>> };
  /** What cannot change once it stands. */
  readonly fixed: readonly (keyof I)[];
  /** Fields that files may hold and exports leave out. */
  readonly notExported?: readonly (keyof I)[];
  /** There is exactly one, always: in files it is a map, not a list. */
  readonly single?: true;
  /** Whether built-in objects stand in files, too. */
  readonly showsBuiltIn: boolean;
  /** Objects in the order in which they must be written, unless that of the file will do. */
  inOrder?(all: readonly Match<I>[], problems: Problem[]): readonly Match<I>[];
  nameOf(item: I): string;
  /** Equal for items that mean the same object. */
  keyOf(item: I): string;
  /** One object as it is now, with its entity tag. */
  read(api: Client, id: string): Promise<{ live: Live<I>; etag: string | undefined }>;
  create(item: I): Request;
  /** What a new object still needs. */
  finish(id: string, item: I): Request[];
  change(id: string, before: I, after: I, changed: ReadonlySet<keyof I>): Request[];
  remove(id: string): Request;
}

/** Whether any of these fields is among those that change. */
export const touches = <K>(changed: ReadonlySet<K>, ...fields: K[]): boolean =>
  fields.some((field) => changed.has(field));
