import { canonicalPrefix } from '@sallyport/ip';
import { z } from 'zod';
import { bounded, list } from '../bounds.ts';
import {
  addressForms,
  type Filters,
  id,
  ignored,
  name,
  pageQuery,
  paginated,
  portWhereNeeded,
  ref,
  text,
  timestamp,
} from './common.ts';
import { Gateway, GatewayResource } from './gateways.ts';
import { labels, shownLabels } from './labels.ts';

/** Kind of access to a resource. */
export const accessType = z.enum(['PRIVATE', 'SAAS', 'INTERNET']);

/** Kind of access to a resource. */
export type AccessType = z.infer<typeof accessType>;

/** Method of distributing connections over the gateways of a resource. */
export const loadBalancingMode = z.enum(['MANUAL', 'AUTOMATIC']);

// ---- protocols

const portOrRange = z
  .string()
  .regex(/^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$/, 'must be a port "443" or a range "5000-5100"')
  .refine((value) => {
    const [first = 0, last = first] = value.split('-').map(Number);
    return first <= last && last <= 65535;
  }, 'must be a port or an ascending range within 1 to 65535')
  .meta({ format: 'port-or-range' });

/** A transport protocol, with its ports. */
export const NetworkProtocol = z
  .strictObject({ protocol: z.enum(['TCP', 'UDP', 'ICMP']), port: portOrRange.optional() })
  .refine((p) => (p.protocol === 'ICMP') === (p.port === undefined), {
    message: 'TCP and UDP need a port, ICMP takes none',
    path: ['port'],
  })
  .meta({ id: 'NetworkProtocol', oneOf: portWhereNeeded });
export type NetworkProtocol = z.infer<typeof NetworkProtocol>;

/** Request body that creates a protocol. */
export const CreateProtocol = z
  .strictObject({ name: name.nullish(), networkProtocols: list(NetworkProtocol, 100).min(1) })
  .meta({ id: 'CreateProtocol' });

/** A protocol as answers carry it. */
export const Protocol = z
  .object({
    id,
    name: z.string(),
    networkProtocols: z.array(z.object({ protocol: z.enum(['TCP', 'UDP', 'ICMP']), port: z.string().optional() })),
    type: z.enum(['ALL', 'PREDEFINED', 'CUSTOM']),
  })
  .meta({ id: 'Protocol' });
export type Protocol = z.infer<typeof Protocol>;

// ---- addresses

/** Text of an address field: IPv4, IPv6, CIDR, a host name or a wildcard. The controller checks the form and reports the exact fault. */
export const addressText = text(253, 1).meta({ anyOf: addressForms });

/** Returns whether a text is an IP address or prefix rather than a host name. */
export const isIpText = (value: string): boolean => canonicalPrefix(value) !== null;

/** Request body that changes an address of a resource. */
export const UpdateAddress = z
  .strictObject({ address: addressText, protocols: list(ref, 100).min(1) })
  .meta({ id: 'UpdateAddress' });

/** An address of a resource as answers carry it. */
export const Address = z
  .object({
    id,
    address: z.string(),
    unicode: z.string().optional().describe('A host name in its own script, if that is not ASCII'),
    isIp: z.boolean(),
    type: accessType,
    protocols: z.array(Protocol),
  })
  .meta({ id: 'Address' });
export type Address = z.infer<typeof Address>;

/** Fields of an address that a request may repeat and that are ignored. */
export const addressReadOnly = ['id', 'unicode', 'isIp', 'type'] as const;

// ---- resources

const resourceName = text(40, 1);
const resourceDescription = text(120);

/** An address in a request. It may repeat the read-only fields of an answer, which are ignored. */
export const ResourceAddressInput = z
  .strictObject({
    address: addressText,
    protocols: list(ref, 100).min(1),
    id: ignored.optional(),
    unicode: ignored.optional(),
    isIp: ignored.optional(),
    type: ignored.optional(),
  })
  .transform(({ address, protocols }) => ({ address, protocols }))
  .meta({ id: 'ResourceAddressInput' });

/** Request body that creates a resource. */
export const CreateResource = z
  .strictObject({
    name: resourceName,
    type: accessType,
    description: resourceDescription.nullish(),
    addresses: list(ResourceAddressInput, 1000).min(1),
    labels,
  })
  .meta({ id: 'CreateResource' });

/** Request body that changes a resource. Absent fields stay. */
export const UpdateResource = z
  .strictObject({
    name: resourceName,
    type: accessType.optional().describe('Cannot change after creation'),
    description: resourceDescription.nullish(),
    addresses: list(ResourceAddressInput, 1000).min(1),
    labels,
  })
  .meta({ id: 'UpdateResource' });

/** Gateways of a resource, and the distribution of connections over them. */
export const LoadBalancing = z
  .strictObject({
    loadBalancingMode,
    gateways: list(id, 100).describe(
      'Complete list; its order is the priority in MANUAL; gateways that are left out are detached',
    ),
  })
  .meta({ id: 'LoadBalancing' });

const resourceStatus = z.enum(['ONLINE', 'OFFLINE']);

/** A resource as answers carry it. */
export const Resource = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    type: accessType,
    loadBalancingMode,
    status: resourceStatus.optional().describe('Left out while no gateway is attached'),
    unreachableReason: z.string().optional().describe('Reason why the resource is unreachable regardless of policies'),
    description: z.string().optional(),
    labels: shownLabels,
    addresses: z.array(Address),
    gateways: z.array(Gateway),
    names: z
      .array(
        z.object({
          address: z.string(),
          gateway: GatewayResource.describe('The gateway that asked'),
          resolves: z.boolean(),
          answer: z.string().describe('Its address, or the answer of the resolver, as a sentence'),
        }),
      )
      .optional()
      .describe(
        'How its host names resolve at its gateways, at most 100 reports, failures first; left out without reports',
      ),
  })
  .meta({ id: 'Resource' });
export type Resource = z.infer<typeof Resource>;

/** Fields of a resource that a request may repeat and that are ignored. */
export const resourceReadOnly = [
  'id',
  'createdAt',
  'updatedAt',
  'loadBalancingMode',
  'status',
  'unreachableReason',
  'gateways',
  'names',
] as const;

/** A page of resources. */
export const ResourcePage = paginated(Resource).meta({ id: 'ResourcePage' });

/** A resource as a table shows it. */
export const ResourceSummary = Resource.omit({ addresses: true, gateways: true, names: true })
  .extend({
    address: z.string().optional().describe('The first of its addresses'),
    addressCount: z.int(),
    gatewayCount: z.int(),
  })
  .meta({ id: 'ResourceSummary' });
export type ResourceSummary = z.infer<typeof ResourceSummary>;

/** A page of resources as a table shows them. */
export const ResourceSummaryPage = paginated(ResourceSummary).meta({ id: 'ResourceSummaryPage' });

/** Fields that lists of resources can be sorted by. `filter[<field>][<operator>]` parameters are parsed separately. */
export const resourceSortFields = ['id', 'name', 'type', 'createdAt', 'updatedAt'] as const;

/** Query of the list of resources. */
export const resourceQuery = bounded(z.looseObject(pageQuery(resourceSortFields)), 100, 'has too many parameters');

/** Fields that lists of resources can be filtered by. */
export const resourceFilters = {
  id: 'id',
  name: 'text',
  type: accessType.options,
  status: resourceStatus.options,
  'gateways.id': 'id',
  'policies.id': 'id',
  'addresses.protocols.id': 'id',
  label: 'label',
} as const satisfies Filters;
