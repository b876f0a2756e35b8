import { domainToASCII } from 'node:url';
import type { ResponseBody } from '@sallyport/contract';
import { canonicalPrefix } from '@sallyport/ip';
import type { Client } from './client.ts';
import { exitCodes, Failure, usage } from './failure.ts';
import { isId } from './ids.ts';
import { listAll } from './lists.ts';
import { clean, hintFor } from './text.ts';

/** A kind of object that commands take by name. */
export interface Kind {
  readonly word: string;
  /** The command that lists these objects. */
  readonly listCommand: string;
  /** Returns all existing objects. */
  find(api: Client): Promise<readonly Named[]>;
  /** Describes an object further, to tell objects of the same name apart. */
  tell?(api: Client, namesakes: readonly Named[]): Promise<readonly Named[]>;
  /** Returns whether the text means this name; by default they must be equal. */
  matches?(name: string, text: string): boolean;
}

/** An object with a name. */
export interface Named {
  readonly id: string;
  readonly name: string;
  /** Tells objects of the same name apart. */
  readonly about?: string;
  /** Id of the owner. */
  readonly owner?: string | undefined;
}

const sameLetters = (name: string, text: string): boolean => name.toLowerCase() === text.toLowerCase();

/** Returns an address in the form in which the controller stores it. */
const canonicalAddress = (text: string): string => canonicalPrefix(text) ?? (domainToASCII(text) || text);

/** Every kind that commands take by name or id. */
export const kinds = {
  gateway: {
    word: 'gateway',
    listCommand: 'sally gateways list',
    find: async (api) => (await api.call('listGateways')).body.map((g) => ({ ...g, about: g.status })),
  },
  resource: {
    word: 'resource',
    listCommand: 'sally resources list',
    find: async (api) => {
      const { data } = (await listAll(api, 'listResources')).body;
      return data.map((r) => ({ ...r, about: r.addresses.map((a) => a.address).join(', ') }));
    },
  },
  protocol: {
    word: 'protocol',
    listCommand: 'sally protocols list',
    find: async (api) => (await api.call('listProtocols')).body.map((p) => ({ ...p, about: p.type })),
    matches: sameLetters,
  },
  address: {
    word: 'address',
    listCommand: 'sally addresses list',
    find: async (api) =>
      (await api.call('listAddresses')).body.map((a) => ({ id: a.id, name: a.address, about: protocolNames(a) })),
    matches: (name, text) => name === text || canonicalAddress(text) === canonicalAddress(name),
  },
  device: {
    word: 'device',
    listCommand: 'sally devices list',
    find: async (api) => {
      const { data } = (await listAll(api, 'listDevices')).body;
      return data.map((d) => ({
        ...{ id: d.id, name: d.name, owner: d.user?.id },
        about: d.overlayAddresses?.join(', ') ?? d.hardwareId,
      }));
    },
    tell: async (api, namesakes) => {
      const { data } = (await listAll(api, 'listUsers')).body;
      const emails = new Map(data.map(({ id, email }) => [id, email]));
      return namesakes.map((device) => {
        const { owner, about } = device;
        const whose = owner === undefined ? 'no owner' : `owner ${emails.get(owner) ?? owner}`;
        return { ...device, about: `${whose}, ${about}` };
      });
    },
  },
  user: {
    word: 'user',
    listCommand: 'sally users list',
    find: async (api) => {
      const { data } = (await listAll(api, 'listUsers')).body;
      return data.map((u) => ({ id: u.id, name: u.email ?? '', about: u.status }));
    },
    matches: sameLetters,
  },
  group: {
    word: 'group',
    listCommand: 'sally groups list',
    find: async (api) => {
      const { data } = (await listAll(api, 'listGroups')).body;
      return data.map((g) => ({ id: g.id, name: g.name, about: `${g.users.length} users` }));
    },
  },
  role: {
    word: 'role',
    listCommand: 'sally roles list',
    find: async (api) => (await api.call('listRoles')).body.map((r) => ({ id: r.id, name: r.name, about: r.type })),
    matches: sameLetters,
  },
  policy: {
    word: 'policy',
    listCommand: 'sally policies list',
    find: async (api) =>
      (await api.call('listPolicies')).body.map((p) => ({ id: p.id, name: p.name, about: `${p.type} ${p.order}` })),
  },
  rule: {
    word: 'admission rule',
    listCommand: 'sally rules list',
    find: async (api) =>
      (await api.call('listAdmissionRules')).body.map((r) => ({ id: r.id, name: r.name, about: r.type })),
    matches: sameLetters,
  },
  enrolmentKey: {
    word: 'enrolment key',
    listCommand: 'sally enrolment-keys list',
    find: async (api) =>
      (await api.call('listEnrolmentKeys')).body.map((k) => ({
        id: k.id,
        name: k.name ?? '',
        about: k.user?.email ?? '',
      })),
  },
  provider: {
    word: 'provider',
    listCommand: 'sally providers list',
    find: async (api) =>
      (await api.call('listProviders')).body.map((p) => ({ id: p.id, name: p.name, about: p.issuer })),
    matches: sameLetters,
  },
  key: {
    word: 'API key',
    listCommand: 'sally keys list',
    find: async (api) => (await api.call('listApiKeys')).body.map((k) => ({ id: k.id, name: k.name, about: k.prefix })),
  },
} as const satisfies Record<string, Kind>;

/**
 * Returns the id of the object that `text` names. An id is returned unchanged; a name must belong to exactly one
 * object. An unknown name fails with similar names, an ambiguous one with all candidates.
 */
export async function resolveId(api: Client, kind: Kind, text: string): Promise<string> {
  if (isId(text)) return text;
  return (await pick(api, kind, text, await kind.find(api))).id;
}

/** Returns the id of the object that `text` names, or undefined when none has that name. */
export async function findId(api: Client, kind: Kind, text: string): Promise<string | undefined> {
  if (isId(text)) return text;
  const all = await kind.find(api);
  const isKnown = all.some(({ name }) => name === text || (kind.matches?.(name, text) ?? false));
  return isKnown ? (await pick(api, kind, text, all)).id : undefined;
}

/** Resolves several names with one request and returns their ids in the same order. */
export async function resolveIds(api: Client, kind: Kind, texts: readonly string[]): Promise<string[]> {
  if (texts.every(isId)) return [...texts];
  const all = await kind.find(api);
  return Promise.all(texts.map(async (text) => (isId(text) ? text : (await pick(api, kind, text, all)).id)));
}

async function pick(api: Client, kind: Kind, text: string, all: readonly Named[]): Promise<Named> {
  const exact = all.filter(({ name }) => name === text);
  const found = exact.length > 0 ? exact : all.filter(({ name }) => kind.matches?.(name, text) ?? false);
  const [first, second] = found;
  if (first === undefined) throw notFound(kind, text, all);
  if (second === undefined) return first;
  const told = (await kind.tell?.(api, found)) ?? found;
  const lines = told.map(({ id, name, about }) => `  ${id}  ${clean(name)}${about ? `  (${clean(about)})` : ''}`);
  throw usage(
    `${found.length} objects are called ${JSON.stringify(text)}:\n${lines.join('\n')}`,
    'Give the id instead of the name.',
  );
}

function notFound(kind: Kind, text: string, all: readonly Named[]): Failure {
  const names = all.map(({ name }) => name);
  const hint = hintFor(text, names, `List all with: ${kind.listCommand}`);
  return new Failure(exitCodes.notFound, `There is no ${kind.word} called ${JSON.stringify(text)}`, { hint });
}

function protocolNames(address: ResponseBody<'getAddress'>): string {
  return address.protocols.map(({ name }) => name).join(', ');
}
