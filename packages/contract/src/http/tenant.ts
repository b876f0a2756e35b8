import { z } from 'zod';
import { mtu, name, ofMtu, timestamp } from './common.ts';

/** Name of the IANA time zone database, checked against what the running system knows. */
export const timeZone = z
  .string()
  .max(64)
  .refine((zone) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
      return true;
    } catch {
      return false;
    }
  }, 'must be a time zone of the IANA database, such as Europe/Zurich')
  .meta({
    id: 'TimeZone',
    description: 'Time zone of the IANA database; older names such as US/Pacific are taken too',
    enum: [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])].sort(),
  });

/** What a full tunnel leaves to a native device of the networks that the device is connected to. */
export const localNetwork = z.enum(['CLOSED', 'RESOLVERS', 'OPEN']);

const writable = {
  name,
  timeZone: timeZone.optional().describe('Zone of admission rules that name none; UTC unless given'),
  leaseSeconds: z
    .int()
    .min(300)
    .max(30 * 86_400)
    .optional()
    .describe('How long gateways go on without the controller; 86400 unless given'),
  drainSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .describe('How long flows may go on through a gateway in MAINTENANCE; 300 unless given'),
  localNetwork: localNetwork
    .optional()
    .describe(
      'What a full tunnel leaves of private networks that a native device is connected to: CLOSED: nothing; RESOLVERS: port 53; OPEN: everything, such as printers. RESOLVERS unless given. What a resource covers always goes into the tunnel',
    ),
  mtu: mtu.optional().describe(`${ofMtu}; 1280 unless given`),
  auditRetentionDays: z.int().min(1).max(36_500).nullish().describe('null: audit events are kept for ever'),
};

/** Request body that changes the tenant. Absent fields stay. */
export const UpdateTenant = z.strictObject(writable).meta({ id: 'UpdateTenant' });

/** The tenant as answers carry it. */
export const Tenant = z
  .object({
    id: z.string(),
    createdAt: timestamp,
    name: z.string(),
    timeZone: z.string(),
    leaseSeconds: z.int(),
    drainSeconds: z.int(),
    localNetwork,
    mtu: z.int(),
    auditRetentionDays: z.int().nullable(),
    revision: z.int(),
    publicUrl: z
      .string()
      .optional()
      .describe('Address at which agents and people reach the controller; left out where the operator names none'),
    countries: z.boolean().describe('Whether a country database is there; without one, country conditions fail'),
  })
  .meta({ id: 'Tenant' });
export type Tenant = z.infer<typeof Tenant>;

/** Fields of the tenant that a request may repeat and that are ignored. */
export const tenantReadOnly = ['id', 'createdAt', 'revision', 'publicUrl', 'countries'] as const;
