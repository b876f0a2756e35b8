import { z } from 'zod';
import { destination } from './access.ts';
import { id, moment, name, pageQuery, paginated, portWhereNeeded, ref, timestamp } from './common.ts';
import { Device, wireguardPublicKey } from './devices.ts';

/** A device as its owner sees it. */
export const MyDevice = Device.omit({ user: true, hardwareId: true, posture: true, paths: true }).meta({
  id: 'MyDevice',
});
export type MyDevice = z.infer<typeof MyDevice>;

/** A page of a person's own devices. */
export const MyDevicePage = paginated(MyDevice).meta({ id: 'MyDevicePage' });

const { limit, offset } = pageQuery([]);

/** Query of the list of a person's own devices. */
export const myDeviceQuery = z.strictObject({ limit, offset });

/** Request body with which people add a device of their own. */
export const AddMyDevice = z.strictObject({ name, publicKey: wireguardPublicKey }).meta({ id: 'AddMyDevice' });

/** Request body with which people rename a device of their own. */
export const RenameMyDevice = z.strictObject({ name }).meta({ id: 'RenameMyDevice' });

/** A resource that devices of a person reach, as that person sees it. */
export const MyResource = z
  .object({
    id,
    name: z.string(),
    addresses: z.array(
      z.object({
        address: z.string().describe('IP address, prefix or host name; at least a part of it is open'),
        protocols: z.array(z.string()).describe('In words: `TCP 443`, `UDP 5000-5100`, `every TCP port`, `ICMP`'),
      }),
    ),
    devices: z.array(
      z.object({
        id,
        name: z.string(),
        validUntil: timestamp.optional().describe('First moment at which this access can end by itself'),
      }),
    ),
  })
  .meta({ id: 'MyResource' });
export type MyResource = z.infer<typeof MyResource>;

/** A page of the resources that a person reaches. */
export const MyResourcePage = paginated(MyResource).meta({ id: 'MyResourcePage' });

/** Query of the resources that a person reaches. */
export const myResourceQuery = z.strictObject({ limit, offset });

/** Request body of `explainMyAccess`: a connection of an own device. */
export const ExplainMine = z
  .strictObject({
    device: ref,
    destination,
    protocol: z.enum(['TCP', 'UDP', 'ICMP']),
    port: z.int().min(1).max(65535).optional(),
    at: moment.optional().describe('Now when left out'),
  })
  .refine((q) => (q.protocol === 'ICMP') === (q.port === undefined), {
    message: 'TCP and UDP need a port, ICMP takes none',
    path: ['port'],
  })
  .meta({ id: 'ExplainMine', oneOf: portWhereNeeded });

/** Whether an own device reaches an address, and why. */
export const MyExplanation = z
  .object({
    device: z.object({ id, name: z.string() }),
    allowed: z.boolean(),
    reason: z.string(),
    at: timestamp,
    validUntil: timestamp.optional().describe('First moment at which this can change by itself'),
    resources: z.array(z.object({ id, name: z.string() })).describe('Through which it is allowed'),
  })
  .meta({ id: 'MyExplanation' });
export type MyExplanation = z.infer<typeof MyExplanation>;
