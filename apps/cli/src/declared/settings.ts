import { localNetwork, otherNames, type Tenant } from '@sallyport/contract';
import { kept, Misfit, oneOf, text, wholeNumber } from './fields.ts';
import { type Family, type Live, request, type SettingsItem } from './items.ts';

/** Reads and writes the settings of a tenant. A field that a file omits is left alone. */
export const settingsFamily: Family<SettingsItem> = {
  word: 'settings',
  fields: {
    name: kept(text),
    timeZone: kept(text),
    leaseSeconds: kept(wholeNumber),
    drainSeconds: kept(wholeNumber),
    localNetwork: kept(oneOf(localNetwork.options)),
    otherNames: kept(oneOf(otherNames.options)),
    mtu: kept(wholeNumber),
    auditRetentionDays: kept<number | 'forever'>({ read: (value) => (value === 'forever' ? value : readDays(value)) }),
  },
  fixed: [],
  notExported: ['name'],
  single: true,
  showsBuiltIn: true,
  nameOf: () => 'of the tenant',
  keyOf: () => 'settings',
  read: async (api) => {
    const { body, etag } = await api.call('getTenant');
    return { live: liveSettings(body), etag };
  },
  create: always,
  finish: () => [],
  change: (_, before, after) => [request('updateTenant', { body: settingsBody({ ...before, ...after }) })],
  remove: always,
};

/** Converts the tenant of the API. */
export function liveSettings(t: Tenant): Live<SettingsItem> {
  const { id, name, timeZone, leaseSeconds, drainSeconds, localNetwork: local, mtu, auditRetentionDays } = t;
  const spans = { leaseSeconds, drainSeconds, auditRetentionDays: auditRetentionDays ?? 'forever' };
  const item = { name, timeZone, localNetwork: local, otherNames: t.otherNames, mtu, ...spans };
  return { id, item: item as SettingsItem, builtIn: true };
}

function settingsBody({ name = '', auditRetentionDays, ...rest }: SettingsItem) {
  return { ...rest, name, auditRetentionDays: auditRetentionDays === 'forever' ? null : auditRetentionDays };
}

function readDays(value: unknown): number {
  try {
    return wholeNumber.read(value);
  } catch {
    throw new Misfit('must be a whole number of days, or forever');
  }
}

function always(): never {
  throw new TypeError('a tenant always has settings');
}
