import { parseAddress } from '@sallyport/ip';
import { z } from 'zod';
import { list } from '../bounds.ts';
import { id, moment, portWhereNeeded, ref, timestamp } from './common.ts';
import { policyType } from './policies.ts';

/** IP address of a connection to decide about. */
export const destination = z
  .string()
  .max(64, { abort: true })
  .refine((text) => parseAddress(text) !== null, 'must be an IP address')
  .meta({ anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] });

/** Request body of `explainAccess`: a connection to decide about. */
export const Explain = z
  .strictObject({
    device: ref.optional(),
    user: ref.optional().describe('Asked for each of the user’s devices; for the user alone when there is none'),
    destination,
    protocol: z.enum(['TCP', 'UDP', 'ICMP']),
    port: z.int().min(1).max(65535).optional(),
    at: moment.optional().describe('Now when left out'),
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

/** A condition of an admission rule with what it met. */
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
    conditions: z.array(Condition).optional().describe('Of the admission rule, where it was evaluated'),
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
      .describe('Whether what is in force on the gateway gives the same answer right now'),
  })
  .meta({ id: 'ExplainedGateway' });
export type ExplainedGateway = z.infer<typeof ExplainedGateway>;

/** Decision about one connection, with its reasons. */
export const Explanation = z
  .object({
    device: z.object({ id, name: z.string() }).optional(),
    allowed: z.boolean(),
    reason: z.string(),
    at: timestamp,
    validUntil: timestamp.optional().describe('First moment at which this can change by itself'),
    policy: id.optional().describe('The policy that decided'),
    resources: z.array(z.object({ id, name: z.string() })),
    policies: z.array(ExplainedPolicy).describe('In the order in which they were walked'),
    gateways: z.array(ExplainedGateway),
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof Explanation>;

/** Answer of `explainAccess`. */
export const ExplainAnswer = z.object({ answers: z.array(Explanation).min(1) }).meta({ id: 'ExplainAnswer' });

const several = z.union([id, list(id, 80)]);

/** Filters narrow the matrix; each may be repeated, together as often as a URL has room for. */
export const matrixQuery = z.strictObject({
  device: several.optional(),
  user: several.optional(),
  resource: several.optional(),
  gateway: several.optional(),
});

/** One line of the matrix: this device can reach (a part of) this resource. */
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
