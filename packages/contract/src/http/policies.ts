import { canonicalPrefix } from '@sallyport/ip';
import { z } from 'zod';
import { list } from '../bounds.ts';
import { description, id, name, prefixForms, ref, timestamp } from './common.ts';
import { deviceStatus } from './devices.ts';
import { Gateway } from './gateways.ts';
import { accessType, loadBalancingMode } from './resources.ts';
import { timeZone } from './tenant.ts';

/** Kind of traffic that a policy decides about. */
export const policyType = z.enum(['PRIVATE', 'SAAS', 'INTERNET', 'SITETOSITE']);

/** Kind of traffic that a policy decides about. */
export type PolicyType = z.infer<typeof policyType>;

/** Way in which an INTERNET policy opens the internet; null for policies of other types. */
export const policyMode = z.enum(['LOCAL', 'RESTRICTED', 'INTERNET_ACCESS_POINT']);

const ids = list(ref, 10_000);
const sourceIps = list(
  z
    .string()
    .max(64, { abort: true })
    .refine((value) => canonicalPrefix(value) !== null, 'must be an IP address or a CIDR range')
    .meta({ anyOf: prefixForms }),
  1000,
);

const writable = {
  name,
  description: description.nullish(),
  action: z.boolean().describe('true allows, false denies'),
  mode: policyMode.nullish(),
  allGroups: z.boolean(),
  allUsers: z.boolean(),
  allDevices: z.boolean(),
  allResources: z.boolean(),
  groups: ids.nullish(),
  users: ids.nullish(),
  devices: ids.nullish(),
  resources: ids.nullish(),
  gateways: ids.nullish(),
  sourceIps: sourceIps.nullish(),
};

/** The reference both requires the all* flags and lets them default to false. The API accepts requests with and without them. */
const flag = z.boolean().default(false);
const flags = { allGroups: flag, allUsers: flag, allDevices: flag, allResources: flag };

/** Request body that creates a policy. */
export const CreatePolicy = z
  .strictObject({
    ...writable,
    ...flags,
    type: policyType,
    rule: ref.nullish().describe('Admission rule; the built-in one when left out'),
  })
  .meta({ id: 'CreatePolicy' });

/** Request body that changes a policy. Absent fields stay. */
export const UpdatePolicy = z.strictObject({ ...writable, ...flags, rule: ref }).meta({ id: 'UpdatePolicy' });

/** Request body that orders policies of one type. */
export const ReorderPolicies = z
  .strictObject({
    type: policyType,
    policies: list(id, 10_000).describe('Every non-default policy of this type; the first has the highest priority'),
  })
  .meta({ id: 'ReorderPolicies' });

/** A group of a policy as answers carry it. */
export const PolicyGroup = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    description: z.string().optional(),
    maxDevices: z.number(),
    isSamlDefaultGroup: z.boolean().optional(),
    idpMapping: z.array(z.string()).optional(),
  })
  .meta({ id: 'PolicyGroup' });

/** A user of a policy as answers carry it. */
export const PolicyUser = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    lastConnection: timestamp.optional(),
    email: z.string().optional(),
    status: z.string(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    isOwner: z.boolean(),
    maxDevices: z.number(),
    image: z.string().optional(),
  })
  .meta({ id: 'PolicyUser' });

/** A device of a policy as answers carry it. */
export const PolicyDevice = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    active: z.boolean(),
    lastConnection: timestamp.optional(),
    status: deviceStatus,
    hardwareId: z.string(),
    posture: z.record(z.string(), z.unknown()).optional(),
    appVersion: z.string().optional(),
  })
  .meta({ id: 'PolicyDevice' });

/** A resource of a policy as answers carry it. */
export const PolicyResource = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    type: accessType,
    loadBalancingMode,
    description: z.string().optional(),
  })
  .meta({ id: 'PolicyResource' });

/** Text of an admission rule. */
export const ruleText = z
  .string()
  .min(1)
  .max(4000)
  .describe('CEL expression over user, groups, device, posture, source and time; the result must be a bool');

/** Error in the text of a rule, with its position. */
export const RuleProblem = z.object({
  line: z.int().describe('Line, from 1'),
  column: z.int().describe('Column, from 1'),
  message: z.string(),
  hint: z.string().describe('Advice for fixing the problem'),
});

const ruleWritable = {
  name,
  rule: ruleText,
  hasTimeConstraint: z.boolean(),
  timeZone: timeZone.nullish().describe('Time zone of `time`; the zone of the tenant when left out'),
};

/** Request body that creates an admission rule. */
export const CreateAdmissionRule = z.strictObject(ruleWritable).meta({ id: 'CreateAdmissionRule' });

/** Request body that changes an admission rule. Absent fields stay. */
export const UpdateAdmissionRule = z.strictObject(ruleWritable).meta({ id: 'UpdateAdmissionRule' });

/** Fields of an admission rule that a request may repeat and that are ignored. */
export const admissionRuleReadOnly = ['id', 'createdAt', 'updatedAt', 'type', 'problem'] as const;

/** An admission rule as answers carry it. */
export const AdmissionRule = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    type: z.enum(['ALLOW', 'DENY', 'CUSTOM']),
    hasTimeConstraint: z.boolean(),
    rule: z.string().optional(),
    timeZone: z.string().optional(),
    problem: RuleProblem.optional().describe(
      'Error in a rule that an earlier version accepted; the rule never matches. Left out: the rule is valid',
    ),
  })
  .meta({ id: 'AdmissionRule' });
export type AdmissionRule = z.infer<typeof AdmissionRule>;

/** A policy as answers carry it. */
export const Policy = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    description: z.string().optional(),
    action: z.boolean(),
    order: z.int(),
    isDefault: z.boolean(),
    type: policyType,
    mode: policyMode.optional(),
    allGroups: z.boolean(),
    allUsers: z.boolean(),
    allDevices: z.boolean(),
    allResources: z.boolean(),
    groups: z.array(PolicyGroup).optional(),
    users: z.array(PolicyUser).optional(),
    devices: z.array(PolicyDevice).optional(),
    resources: z.array(PolicyResource).optional(),
    gateways: z.array(Gateway).optional(),
    sourceIps: z.array(z.string()).optional(),
    rule: AdmissionRule.optional(),
  })
  .meta({ id: 'Policy' });
export type Policy = z.infer<typeof Policy>;

/** Fields of a policy that a request may repeat and that are ignored. */
export const policyReadOnly = ['id', 'createdAt', 'updatedAt', 'order', 'isDefault', 'type'] as const;
