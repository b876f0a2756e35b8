import { z } from 'zod';
import { parsePrefix, parseRange } from '../ip.ts';

/**
 * Desired state of a gateway: a keyed set of items. A snapshot is all of them, a delta some. Items never depend on the
 * order in which they arrive; a missing item that another one names admits nothing (fails closed).
 */

const address = z.string().refine((text) => parsePrefix(text) !== null && !text.includes('/'), 'must be an IP address');
const prefix = z.string().refine((text) => parsePrefix(text) !== null, 'must be an IP prefix');
const range = z.string().refine((text) => parseRange(text) !== null, 'must be an address range first-last');
const key = z.string().min(1).max(200);
const expiry = z.int().nonnegative().nullable().describe('Epoch milliseconds; null: until the lease ends');

/** Singleton `gateway`: the interface and how the gateway behaves. */
export const GatewayItem = z.strictObject({
  kind: z.literal('gateway'),
  key: z.literal('gateway'),
  listenPort: z.int().min(1).max(65535),
  addresses: z.array(prefix).min(1).max(2),
  overlay: z.strictObject({ v4: prefix, v6: prefix }),
  mtu: z.int().min(576).max(9200),
  masquerade: z.boolean(),
  intent: z.enum(['ACTIVE', 'MAINTENANCE', 'OFFLINE']),
});

/** `device/<id>`: a WireGuard peer and the profile that decides over its packets. */
export const DeviceItem = z.strictObject({
  kind: z.literal('device'),
  key,
  id: z.string(),
  publicKey: z.string().length(44),
  addresses: z.array(address).min(1).max(2),
  profile: key.nullable(),
  expiresAt: expiry,
});

/** `site/<id>`: source prefixes behind another gateway, admitted as if each address were a device of this profile. */
export const SiteItem = z.strictObject({
  kind: z.literal('site'),
  key,
  id: z.string(),
  prefixes: z.array(prefix).min(1),
  profile: key,
  expiresAt: expiry,
});

/** `class/<id>`: destinations that all policies treat alike. Ranges of different classes never overlap. */
export const ClassItem = z.strictObject({
  kind: z.literal('class'),
  key,
  id: z.string(),
  ranges: z.array(range).min(1),
});

/** `bundle/<id>`: ports admitted together, disjoint per protocol, each with the policy that counts them. */
export const BundleItem = z.strictObject({
  kind: z.literal('bundle'),
  key,
  id: z.string(),
  grants: z
    .array(
      z.strictObject({
        protocol: z.enum(['tcp', 'udp', 'icmp', 'other']),
        from: z.int().min(0).max(65535),
        to: z.int().min(0).max(65535),
        policy: z.string(),
      }),
    )
    .min(1),
});

/** `profile/<id>`: what all devices of this profile may reach; at most one cell per class. */
export const ProfileItem = z.strictObject({
  kind: z.literal('profile'),
  key,
  id: z.string(),
  cells: z.array(z.strictObject({ class: z.string(), bundle: z.string(), expiresAt: expiry })),
});

/** `probe/<addressId>`: an address of an attached resource that the gateway checks from where it stands. */
export const ProbeItem = z.strictObject({
  kind: z.literal('probe'),
  key,
  id: z.string(),
  resource: z.string(),
  target: address,
  /** TCP port to connect to, or null: ICMP echo. */
  port: z.int().min(1).max(65535).nullable(),
});

export const StateItem = z.discriminatedUnion('kind', [
  GatewayItem,
  DeviceItem,
  SiteItem,
  ClassItem,
  BundleItem,
  ProfileItem,
  ProbeItem,
]);
export type StateItem = z.infer<typeof StateItem>;
export type GatewayItem = z.infer<typeof GatewayItem>;
export type DeviceItem = z.infer<typeof DeviceItem>;
export type SiteItem = z.infer<typeof SiteItem>;
export type ClassItem = z.infer<typeof ClassItem>;
export type BundleItem = z.infer<typeof BundleItem>;
export type ProfileItem = z.infer<typeof ProfileItem>;
export type ProbeItem = z.infer<typeof ProbeItem>;

/** What changes between two states. */
export interface StateDelta {
  readonly upserts: readonly StateItem[];
  readonly removes: readonly string[];
}
