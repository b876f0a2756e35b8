import { z } from 'zod';
import { mtu, name, ofMtu, timestamp } from './common.ts';

/** Name of a time zone in the IANA database. The running system must know the zone. */
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
    description: 'Time zone of the IANA database; older names such as US/Pacific are accepted',
    enum: [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])].sort(),
  });

/** Traffic to local networks that a native device may send outside a full tunnel. */
export const localNetwork = z.enum(['CLOSED', 'RESOLVERS', 'OPEN']);

/** What gateways do with queries of devices for names that are no resource's. */
export const otherNames = z.enum(['FORWARD', 'REFUSE']);

const writable = {
  name,
  timeZone: timeZone.optional().describe('Time zone of admission rules that name none; UTC by default'),
  leaseSeconds: z
    .int()
    .min(300)
    .max(30 * 86_400)
    .optional()
    .describe('Seconds that gateways keep working without the controller; 86400 by default'),
  drainSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .describe('Seconds that flows may continue through a gateway in MAINTENANCE; 300 by default'),
  localNetwork: localNetwork
    .optional()
    .describe(
      'Traffic of native devices to connected private networks outside a full tunnel. CLOSED: none. RESOLVERS (default): port 53. OPEN: everything, such as printers. Traffic to resources always goes into the tunnel',
    ),
  otherNames: otherNames
    .optional()
    .describe(
      'Queries of devices to gateways for names of no resource. FORWARD (default): the gateway asks its resolvers, and configurations of plain devices name it as their resolver. REFUSE: it answers for resources only',
    ),
  mtu: mtu.optional().describe(`${ofMtu}; 1280 by default`),
  auditRetentionDays: z.int().min(1).max(36_500).nullish().describe('Days that audit events are kept; null: for ever'),
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
    otherNames,
    mtu: z.int(),
    auditRetentionDays: z.int().nullable(),
    revision: z.int(),
    publicUrl: z
      .string()
      .optional()
      .describe('URL of the controller for agents and people; left out if the operator has set none'),
    installUrl: z
      .string()
      .optional()
      .describe(
        'Where hosts install from: `curl -fsSL URL/gateway | sudo sh`, or `/client`; left out if the controller has no signed archives, or no HTTPS',
      ),
    countries: z
      .boolean()
      .describe('Whether the controller has a country database; without one, country conditions fail'),
  })
  .meta({ id: 'Tenant' });
export type Tenant = z.infer<typeof Tenant>;

/** Fields of the tenant that a request may repeat and that are ignored. */
export const tenantReadOnly = ['id', 'createdAt', 'revision', 'publicUrl', 'installUrl', 'countries'] as const;
