import type { AccessType, GatewayIntent, PolicyType } from '@sallyport/contract';

/**
 * The world that decisions are made in: one tenant's objects, reduced to what decides. Made from rows by the
 * controller; ids are row ids. Nothing here has a clock: the time is an argument of whoever asks.
 */

export type DestinationProtocol = 'tcp' | 'udp' | 'icmp' | 'other';

/** One admitted protocol and inclusive port range. `icmp` and `other` carry 0..65535. */
export interface PortRange {
  readonly protocol: DestinationProtocol;
  readonly from: number;
  readonly to: number;
}

export interface WorldAddress {
  readonly id: string;
  /** Canonical IP address or prefix; names are not here until they resolve to addresses. */
  readonly prefix: string;
  /** Ports of all protocols of the address. A protocol of type ALL is tcp, udp, icmp and other, each whole. */
  readonly ports: readonly PortRange[];
}

export interface WorldResource {
  readonly id: string;
  readonly type: AccessType;
  readonly addresses: readonly WorldAddress[];
  /** Attached gateways; the order is the priority in mode MANUAL. */
  readonly gateways: readonly string[];
  readonly mode: 'MANUAL' | 'AUTOMATIC';
}

export interface WorldDevice {
  readonly id: string;
  /** Deactivated devices are in the world, but nothing matches them. */
  readonly active: boolean;
  /** Owner, or null: then only `devices` and `allDevices` match. */
  readonly user: string | null;
  readonly publicKey: string;
  /** Overlay addresses, IPv4 then IPv6, without length. */
  readonly addresses: readonly string[];
}

export interface WorldPolicy {
  readonly id: string;
  readonly type: PolicyType;
  /** Unique per type; lower is evaluated first. */
  readonly order: number;
  readonly allow: boolean;
  readonly isDefault: boolean;
  readonly allUsers: boolean;
  readonly allGroups: boolean;
  readonly allDevices: boolean;
  readonly allResources: boolean;
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly devices: readonly string[];
  readonly resources: readonly string[];
  readonly gateways: readonly string[];
  /** Admission rule id; only `unrestricted` rules can be met until rules are evaluated. */
  readonly rule: { readonly id: string; readonly unrestricted: boolean };
}

export interface WorldGateway {
  readonly id: string;
  readonly listenPort: number;
  /** Own overlay addresses with length, IPv4 then IPv6. */
  readonly addresses: readonly string[];
  readonly intent: GatewayIntent;
  readonly masquerade: boolean;
}

export interface WorldSettings {
  /** Whole overlay per family. No resource ever matches inside of it. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  readonly mtu: number;
}

/** One change of the world: the object as it is now, or null when it is gone. */
export type WorldChange =
  | { readonly kind: 'settings'; readonly value: WorldSettings }
  | { readonly kind: 'gateway'; readonly id: string; readonly value: WorldGateway | null }
  | { readonly kind: 'device'; readonly id: string; readonly value: WorldDevice | null }
  | { readonly kind: 'resource'; readonly id: string; readonly value: WorldResource | null }
  | { readonly kind: 'policy'; readonly id: string; readonly value: WorldPolicy | null };

/** Question: may this device reach this destination (through this gateway)? */
export interface AccessQuery {
  readonly device: string;
  /** IP address. */
  readonly destination: string;
  readonly protocol: DestinationProtocol;
  /** Ignored for icmp and other. */
  readonly port: number;
  /** Left out: through any gateway. */
  readonly gateway?: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

export type PolicyStep = {
  readonly policy: string;
  readonly outcome: 'allowed' | 'denied' | 'skipped' | 'no-match';
  /** Why, in one sentence fragment fit for people. */
  readonly reason: string;
};

export type Decision =
  | {
      readonly allowed: true;
      readonly policy: string;
      readonly resources: readonly string[];
      readonly gateways: readonly string[];
      readonly validUntil: number | null;
      readonly steps: readonly PolicyStep[];
    }
  | {
      readonly allowed: false;
      readonly policy: string | null;
      readonly reason: string;
      readonly validUntil: number | null;
      readonly steps: readonly PolicyStep[];
    };
