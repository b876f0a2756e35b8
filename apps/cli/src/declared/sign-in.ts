import type { Provider, SignInSettings } from '@sallyport/contract';
import { exitCodes, Failure } from '../failure.ts';
import {
  defaults,
  flag,
  kept,
  list,
  Misfit,
  oneOf,
  orNull,
  record,
  required,
  type Shape,
  text,
  texts,
  wholeNumber,
  within,
} from './fields.ts';
import {
  type Family,
  type GroupMappingItem,
  type Live,
  type ProviderItem,
  type Request,
  request,
  type SecretItem,
  type SignInItem,
} from './items.ts';

const way = oneOf(['PASSWORD', 'PASSKEY', 'PROVIDER']);
const ways: Shape<NonNullable<SignInItem['methods']>> = {
  read: (value) => list(value, way.read),
  canonical: (value) => value.toSorted(),
};

const notice = oneOf(['METHODS', 'SESSIONS']);
const notices: Shape<NonNullable<SignInItem['notices']>> = {
  read: (value) => list(value, notice.read),
  canonical: (value) => value.toSorted(),
};

/** Reads and writes how people sign in. A field that a file omits is left alone. */
export const signInFamily: Family<SignInItem> = {
  word: 'sign-in',
  fields: {
    slug: kept(text),
    methods: kept(ways),
    secondFactor: kept(oneOf(['OPTIONAL', 'REQUIRED'])),
    idleMinutes: kept(wholeNumber),
    absoluteHours: kept(wholeNumber),
    notices: kept(notices),
  },
  fixed: [],
  notExported: ['slug'],
  single: true,
  showsBuiltIn: true,
  nameOf: () => 'of the tenant',
  keyOf: () => 'sign-in',
  read: async (api) => ({ live: liveSignIn((await api.call('getSignInSettings')).body), etag: undefined }),
  create: always,
  finish: () => [],
  change: (_, before, after, changed) => {
    const wanted = Object.entries({ ...before, ...after }).filter(([name]) => changed.has(name as keyof SignInItem));
    return [request('updateSignInSettings', { body: Object.fromEntries(wanted) })];
  },
  remove: always,
};

/** Converts the sign-in settings of the API. */
export const liveSignIn = (item: SignInSettings): Live<SignInItem> => ({ id: 'sign-in', item, builtIn: true });

/** A secret is named, never written: `env:NAME` or `file:PATH`. Which secret the tenant has is not known. */
const secret: Shape<SecretItem> = {
  read: (value) => {
    const from = text.read(value);
    if (!/^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/.test(from)) throw new Misfit('must be env:NAME or file:PATH');
    return { from };
  },
  canonical: () => 'set',
  write: ({ from }) => from,
};

const mapping: Shape<GroupMappingItem[]> = {
  read: (value) =>
    list(value, (entry) => {
      const fields = record(entry, ['value', 'group']);
      return {
        value: within('value', () => text.read(fields.value)),
        group: within('group', () => text.read(fields.group)),
      };
    }),
  refs: (value, map) => value.map((entry) => ({ ...entry, group: map('groups', entry.group) })),
  canonical: (value) => value.map(({ value: claim, group }) => `${group} ${claim}`).toSorted(),
};

/** Reads and writes sign-in providers. */
export const providerFamily: Family<ProviderItem> = {
  word: 'provider',
  fields: {
    name: required(text),
    label: defaults(orNull(text), null),
    issuer: required(text),
    clientId: required(text),
    clientSecret: kept(secret),
    scopes: defaults(texts, ['openid', 'email', 'profile']),
    groupsClaim: defaults(orNull(text), null),
    groupMapping: defaults(mapping, []),
    emailDomains: defaults(texts, []),
    hostedDomains: defaults(texts, []),
    entraTenants: defaults(texts, []),
    requiredGroup: defaults(orNull(text), null),
    provisioning: defaults(flag, false),
    trustEmail: defaults(flag, false),
    requireAuthTime: defaults(flag, true),
    assuresSecondFactor: defaults(flag, false),
    position: defaults(wholeNumber, 0),
    enabled: defaults(flag, true),
  },
  fixed: [],
  notExported: ['clientSecret'],
  showsBuiltIn: true,
  nameOf: ({ name }) => name,
  keyOf: ({ name }) => name,
  read: async (api, id) => {
    const { body, etag } = await api.call('getProvider', { params: { id } });
    return { live: liveProvider(body), etag };
  },
  create: (item) => withSecret(item, (clientSecret) => request('createProvider', { body: { ...item, clientSecret } })),
  finish: () => [],
  change: (id, _, after, changed) => {
    const { clientSecret: __, ...rest } = after;
    return [
      changed.has('clientSecret')
        ? withSecret(after, (clientSecret) =>
            request('updateProvider', { params: { id }, body: { ...rest, clientSecret } }),
          )
        : request('updateProvider', { params: { id }, body: rest }),
    ];
  },
  remove: (id) => request('deleteProvider', { params: { id } }),
};

/** Converts a provider of the API. */
export function liveProvider(provider: Provider): Live<ProviderItem> {
  const {
    id,
    label = null,
    groupsClaim = null,
    requiredGroup = null,
    hasClientSecret,
    groupMapping,
    ...rest
  } = provider;
  const { createdAt: _, updatedAt: __, redirectUri: ___, logoutUri: ____, ...fields } = rest;
  const item = {
    ...{ ...fields, label, groupsClaim, requiredGroup },
    groupMapping: groupMapping.map(({ value, group }) => ({ value, group: group.id })),
    ...(hasClientSecret ? { clientSecret: { from: 'set' } } : {}),
  };
  return { id, item, builtIn: false };
}

/** A secret that cannot be read stops the step that needs it, and no other one. */
function withSecret({ clientSecret }: ProviderItem, make: (secret: string | null) => Request): Request {
  if (clientSecret === undefined) return make(null);
  const { from, found } = clientSecret;
  const made = make(found ?? 'unknown');
  if (found !== undefined) return made;
  const send = async () => {
    throw new Failure(exitCodes.failed, `The client secret of ${from} cannot be read`, {
      hint: 'Set the variable, or write the file, with the secret in one line.',
    });
  };
  return { ...made, send };
}

function always(): never {
  throw new TypeError('a tenant always has settings of sign-in');
}
