import { type AdmissionRule, type Policy, policyMode, policyType } from '@sallyport/contract';
import { asksForTime } from '../rule-text.ts';
import { allOr, block, defaults, flag, kept, oneOf, orNull, prefixes, ref, refs, required, text } from './fields.ts';
import { type Family, type Live, type PolicyItem, type RuleItem, request } from './items.ts';

/** Reads and writes admission rules. */
export const ruleFamily: Family<RuleItem> = {
  word: 'admission rule',
  fields: {
    name: required(text),
    rule: required(block),
    hasTimeConstraint: kept(flag),
    timeZone: defaults(orNull(text), null),
  },
  fixed: [],
  showsBuiltIn: false,
  nameOf: ({ name }) => name,
  keyOf: ({ name }) => name,
  read: async (api, id) => {
    const { body, etag } = await api.call('getAdmissionRule', { params: { id } });
    return { live: liveRule(body), etag };
  },
  create: (item) => request('createAdmissionRule', { body: ruleBody(item) }),
  finish: () => [],
  change: (id, _, after) => [request('updateAdmissionRule', { params: { id }, body: ruleBody(after) })],
  remove: (id) => request('deleteAdmissionRule', { params: { id } }),
};

/** Converts an admission rule of the API. */
export function liveRule(r: AdmissionRule): Live<RuleItem> {
  const { id, name, rule = '', hasTimeConstraint, timeZone = null, type } = r;
  return { id, item: { name, rule, hasTimeConstraint, timeZone }, builtIn: type !== 'CUSTOM' };
}

const ruleBody = ({ name, rule, hasTimeConstraint = asksForTime(rule), timeZone }: RuleItem) => ({
  name,
  rule,
  hasTimeConstraint,
  timeZone,
});

/** Reads and writes policies. */
export const policyFamily: Family<PolicyItem> = {
  word: 'policy',
  fields: {
    name: required(text),
    type: defaults(oneOf(policyType.options), 'PRIVATE'),
    description: defaults(text, ''),
    action: required(oneOf(['allow', 'deny'])),
    mode: defaults(orNull(oneOf(policyMode.options)), null),
    rule: defaults(ref('rules'), ''),
    users: defaults(allOr('users'), []),
    groups: defaults(allOr('groups'), []),
    devices: defaults(allOr('devices'), []),
    resources: defaults(allOr('resources'), []),
    gateways: defaults(refs('gateways', { ordered: true }), []),
    sourceIps: defaults(prefixes, []),
  },
  fixed: [],
  showsBuiltIn: true,
  nameOf: ({ name }) => name,
  keyOf: ({ type, name }) => `${type} ${name}`,
  read: async (api, id) => {
    const { body, etag } = await api.call('getPolicy', { params: { id } });
    return { live: livePolicy(body), etag };
  },
  create: (item) => request('createPolicy', { body: { ...policyBody(item), type: item.type } }),
  finish: () => [],
  change: (id, _, after) => [request('updatePolicy', { params: { id }, body: policyBody(after) })],
  remove: (id) => request('deletePolicy', { params: { id } }),
};

/** Converts a policy of the API. */
export function livePolicy(p: Policy): Live<PolicyItem> {
  const item: PolicyItem = {
    name: p.name,
    type: p.type,
    description: p.description ?? '',
    action: p.action ? 'allow' : 'deny',
    mode: p.mode ?? null,
    rule: p.rule?.id ?? '',
    users: p.allUsers ? 'all' : idsOf(p.users),
    groups: p.allGroups ? 'all' : idsOf(p.groups),
    devices: p.allDevices ? 'all' : idsOf(p.devices),
    resources: p.allResources ? 'all' : idsOf(p.resources),
    gateways: idsOf(p.gateways),
    sourceIps: p.sourceIps ?? [],
  };
  return { id: p.id, item, builtIn: p.isDefault };
}

const idsOf = (all: readonly { readonly id: string }[] = []): string[] => all.map(({ id }) => id);

function policyBody(item: PolicyItem) {
  const { name, description, action, mode, rule, users, groups, devices, resources, gateways, sourceIps } = item;
  const some = (list: 'all' | string[]): string[] => (list === 'all' ? [] : list);
  return {
    name,
    description: description || null,
    action: action === 'allow',
    mode,
    rule,
    ...{ allUsers: users === 'all', allGroups: groups === 'all' },
    ...{ allDevices: devices === 'all', allResources: resources === 'all' },
    ...{ users: some(users), groups: some(groups), devices: some(devices), resources: some(resources) },
    ...{ gateways, sourceIps },
  };
}
