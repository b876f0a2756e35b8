import { parseAddress } from '@sallyport/ip';
import { z } from 'zod';
import { list } from '../bounds.ts';
import { id, moment, portWhereNeeded, ref, timestamp } from './common.ts';
import { policyType, RuleProblem, ruleText } from './policies.ts';
import { timeZone } from './tenant.ts';

/** IP address of a connection to decide about. */
export const destination = z
  .string()
  .max(64, { abort: true })
  .refine((text) => parseAddress(text) !== null, 'must be an IP address')
  .meta({ anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] });

const hostName = '^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$';

/** IP address, or name of a private resource, of a connection to decide about. */
const destinationOrName = z
  .string()
  .max(253, { abort: true })
  .refine(
    (text) => parseAddress(text) !== null || new RegExp(hostName).test(text),
    'must be an IP address or a host name',
  )
  .meta({ anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }, { pattern: hostName }] });

/** Request body of `explainAccess`: a connection to decide about. */
export const Explain = z
  .strictObject({
    device: ref.optional(),
    user: ref.optional().describe('User whose devices are all checked; without devices, the user alone is checked'),
    destination: destinationOrName.describe('IP address, or host name of a private resource in lower case'),
    protocol: z.enum(['TCP', 'UDP', 'ICMP']),
    port: z.int().min(1).max(65535).optional(),
    at: moment.optional().describe('Time of the decision; now when left out'),
  })
  .refine((q) => (q.device === undefined) !== (q.user === undefined), {
    message: 'give either a device or a user',
    path: ['device'],
  })
  .refine((q) => (q.protocol === 'ICMP') === (q.port === undefined), {
    message: 'TCP and UDP need a port, ICMP takes none',
    path: ['port'],
  })
  .meta({
    id: 'Explain',
    allOf: [
      {
        oneOf: [
          { required: ['device'], properties: { user: false } },
          { required: ['user'], properties: { device: false } },
        ],
      },
      { oneOf: portWhereNeeded },
    ],
  });

/** A condition of an admission rule and its result. */
export const Condition = z
  .object({
    expression: z.string(),
    met: z.boolean(),
    values: z.record(z.string(), z.unknown()),
    reason: z.string().optional(),
  })
  .meta({ id: 'Condition' });
export type Condition = z.infer<typeof Condition>;

/** A policy that was considered, and why it did or did not decide. */
export const ExplainedPolicy = z
  .object({
    id,
    name: z.string(),
    type: policyType,
    order: z.int(),
    outcome: z.enum(['allowed', 'denied', 'skipped', 'no-match']),
    reason: z.string(),
    conditions: z.array(Condition).optional().describe('Conditions of the admission rule, if it was evaluated'),
  })
  .meta({ id: 'ExplainedPolicy' });
export type ExplainedPolicy = z.infer<typeof ExplainedPolicy>;

/** A gateway on the way to the destination, and whether it can carry the connection. */
export const ExplainedGateway = z
  .object({
    id,
    name: z.string(),
    status: z.string(),
    chosen: z.boolean(),
    reason: z.string(),
    applied: z
      .enum(['agrees', 'differs', 'unknown'])
      .describe('Whether the state in force on the gateway gives the same answer right now'),
    resolution: z.string().optional().describe('What the resolver of the gateway said last about the name'),
  })
  .meta({ id: 'ExplainedGateway' });
export type ExplainedGateway = z.infer<typeof ExplainedGateway>;

const named = z.object({ id, name: z.string() });

/** A change that would allow a denied connection, or is the first step to it. */
export const AccessSuggestion = z
  .object({
    kind: z.enum([
      'activate-device',
      'activate-user',
      'attach-gateway',
      'open-port',
      'join-group',
      'extend-policy',
      'meet-rule',
      'create-policy',
      'create-resource',
    ]),
    text: z.string().describe('The change, in words'),
    sufficient: z.boolean().describe('Whether the change alone allows the connection'),
    policy: named.optional(),
    rule: named.optional(),
    group: named.optional(),
    resource: named.optional(),
    before: named.optional().describe('Policy that denies; a new policy has to be before it'),
  })
  .meta({ id: 'AccessSuggestion' });
export type AccessSuggestion = z.infer<typeof AccessSuggestion>;

/** A destination that is a host name of private resources. */
export const ExplainedName = z
  .object({
    name: z.string().describe('The name in ASCII'),
    unicode: z.string().optional().describe('The name in its own script, if that is not ASCII'),
    virtualAddresses: z
      .array(z.string())
      .describe('Addresses by which devices reach it; none until a device asks for a name that only wildcards cover'),
    wildcards: z.array(z.string()).describe('Wildcards of resources that cover the name'),
  })
  .meta({ id: 'ExplainedName' });
export type ExplainedName = z.infer<typeof ExplainedName>;

/** Decision about one connection, with its reasons. */
export const Explanation = z
  .object({
    device: z.object({ id, name: z.string() }).optional(),
    allowed: z.boolean(),
    reason: z.string(),
    at: timestamp,
    validUntil: timestamp.optional().describe('Earliest time at which the decision can change on its own'),
    policy: id.optional().describe('The policy that decided'),
    name: ExplainedName.optional().describe('The destination, if it is a host name'),
    resources: z.array(z.object({ id, name: z.string() })),
    policies: z.array(ExplainedPolicy).describe('Policies in the order of evaluation'),
    gateways: z.array(ExplainedGateway),
    suggestions: z
      .array(AccessSuggestion)
      .optional()
      .describe('Smallest changes that would allow a denied connection, at most 10; left out for allowed ones'),
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof Explanation>;

/** Answer of `explainAccess`. */
export const ExplainAnswer = z.object({ answers: z.array(Explanation).min(1) }).meta({ id: 'ExplainAnswer' });

/** Request body of `tryAdmissionRule`: the text of a rule, and a device or user to evaluate it for. */
export const TryAdmissionRule = z
  .strictObject({
    rule: ruleText,
    timeZone: timeZone.nullish().describe('Time zone of `time`; the zone of the tenant when left out'),
    device: ref.optional(),
    user: ref.optional().describe('User, as if on a new device of which nothing is known'),
    at: moment.optional().describe('Time of the evaluation; now when left out'),
  })
  .refine((q) => q.device === undefined || q.user === undefined, {
    message: 'give a device or a user, not both',
    path: ['user'],
  })
  .meta({ id: 'TryAdmissionRule', not: { required: ['device', 'user'] } });

/** Answer of `tryAdmissionRule`: what is wrong with the text, or its result. */
export const RuleTrial = z
  .object({
    problem: RuleProblem.optional().describe('Error in the text; left out: the rule is valid'),
    result: z
      .object({
        met: z.boolean(),
        reason: z.string().optional().describe('Reason why the rule is not met'),
        at: timestamp,
        validUntil: timestamp.optional().describe('Earliest time at which the result can change on its own'),
        conditions: z.array(Condition),
      })
      .optional()
      .describe('Left out without a device or user, and for a text with an error'),
  })
  .meta({ id: 'RuleTrial' });
export type RuleTrial = z.infer<typeof RuleTrial>;

const several = z.union([id, list(id, 80)]);

/** Query of the access matrix. Filters narrow the matrix and may be repeated up to the length limit of a URL. */
export const matrixQuery = z.strictObject({
  device: several.optional(),
  user: several.optional(),
  resource: several.optional(),
  gateway: several.optional(),
});

/** One line of the access matrix: the device can reach the resource or a part of it. */
export const MatrixEntry = z
  .object({
    device: z.object({ id, name: z.string() }),
    user: z.object({ id, email: z.string().optional() }).optional(),
    resource: z.object({ id, name: z.string() }),
    policies: z.array(id),
    gateways: z.array(id),
    validUntil: timestamp.optional(),
  })
  .meta({ id: 'MatrixEntry' });
export type MatrixEntry = z.infer<typeof MatrixEntry>;
