import type { Client } from '../client.ts';
import { listAll } from '../lists.ts';
import { families } from './families.ts';
import type { Target } from './fields.ts';
import type { Items, Live, SectionName } from './items.ts';
import { liveGateway, liveProtocol, liveResource } from './network.ts';
import { liveGroup, liveUser, ownRoles } from './people.ts';
import { livePolicy, liveRule } from './rules-and-policies.ts';
import { liveSettings } from './settings.ts';
import { liveProvider, liveSignIn } from './sign-in.ts';

interface Named {
  readonly id: string;
  readonly name: string;
}

/** Everything that a file can describe or name. */
export interface Tenant {
  /** Policies, in the order of evaluation. */
  readonly sections: { readonly [S in SectionName]: readonly Live<Items[S]>[] };
  readonly devices: readonly Named[];
  readonly roles: readonly Named[];
}

/** Reads the tenant. The reads are not one snapshot; a change in between is noticed at the write. */
export async function readTenant(api: Client): Promise<Tenant> {
  const settings = [liveSettings((await api.call('getTenant')).body)];
  const signIn = [liveSignIn((await api.call('getSignInSettings')).body)];
  const gateways = (await api.call('listGateways')).body.map(liveGateway);
  const protocols = (await api.call('listProtocols')).body.map(liveProtocol);
  const resources = (await listAll(api, 'listResources')).body.data.map(liveResource);
  const groups = (await listAll(api, 'listGroups')).body.data.map(liveGroup);
  const providers = (await api.call('listProviders')).body.map(liveProvider);
  const users = (await listAll(api, 'listUsers')).body.data;
  const rules = (await api.call('listAdmissionRules')).body.map(liveRule);
  const policies = (await api.call('listPolicies')).body.toSorted((a, b) => a.order - b.order).map(livePolicy);
  const devices = (await listAll(api, 'listDevices')).body.data;
  const roles = (await api.call('listRoles')).body;
  const people = await inParallel(users, 8, async (user) =>
    liveUser(user, user.roles.length === 0 ? [] : await ownRoles(api, user.id)),
  );
  return {
    sections: { settings, signIn, gateways, protocols, resources, groups, providers, users: people, rules, policies },
    devices,
    roles,
  };
}

/** Returns the names and ids of all objects of a kind that others refer to. */
export function namedOf(tenant: Tenant, target: Target): readonly Named[] {
  if (target === 'devices' || target === 'roles') return tenant[target];
  return namedIn(tenant, target);
}

/** Returns the group of users who are in no other group. */
export function defaultGroup(tenant: Tenant): string | undefined {
  return tenant.sections.groups.find(({ builtIn }) => builtIn)?.id;
}

/** Returns the rule of policies that name none. */
export function builtInRule(tenant: Tenant): string | undefined {
  return tenant.sections.rules.find(({ builtIn }) => builtIn)?.id;
}

function namedIn<S extends SectionName>(tenant: Tenant, section: S): Named[] {
  const family = families[section];
  return tenant.sections[section].map(({ id, item }) => ({ id, name: family.nameOf(item) }));
}

async function inParallel<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += width)
    results.push(...(await Promise.all(items.slice(start, start + width).map(work))));
  return results;
}
