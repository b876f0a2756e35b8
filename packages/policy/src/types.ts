import type { AccessType, GatewayIntent, PolicyType } from '@sallyport/contract';
import type { BeaconItem, DestinationProtocol, PortRange } from '@sallyport/contract/channel';

export type { DestinationProtocol, PortRange } from '@sallyport/contract/channel';

/** Value that admission rules can ask for. */
export type Attribute = string | number | boolean | null | readonly string[];

/**
 * The world that decisions are made in: one tenant's objects, reduced to what decides. Made from rows by the
 * controller; ids are row ids. Nothing here has a clock: the time is an argument of whoever asks.
 */

export interface WorldAddress {
  readonly id: string;
  /** Canonical IP address or prefix; names are not here until they resolve to addresses. */
  readonly prefix: string;
  /** Ports of all protocols of the address. A protocol of type ALL is tcp, udp, icmp and other, each whole. */
  readonly ports: readonly PortRange[];
}

export interface WorldResource {
  readonly id: string;
  /** For people on devices. */
  readonly name: string;
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
  readonly name: string;
  readonly hardwareId: string;
  readonly appVersion: string | null;
  /** Facts that the device or an administrator has told. */
  readonly posture: Readonly<Record<string, Attribute>>;
  /** Where its tunnel comes from, and that address's country (ISO 3166-1); null while unknown. */
  readonly sourceIp: string | null;
  readonly country: string | null;
  readonly publicKey: string;
  /** Overlay addresses, IPv4 then IPv6, without length. */
  readonly addresses: readonly string[];
  /** Whether our client runs on it: then it is an agent and has a state of its own. */
  readonly native: boolean;
  /** Relaying gateway through which a plain device comes in for everything; null: straight to each gateway. */
  readonly entryGateway: string | null;
  /** Public `host:port` of its WireGuard socket, where a beacon knows one that is the same for all who ask; else null. */
  readonly endpoint: string | null;
}

export interface WorldUser {
  readonly id: string;
  /** Deactivated, expired or not yet signed-up users match nothing, nor do their devices. */
  readonly active: boolean;
  readonly email: string;
  readonly department: string | null;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Ids of groups. */
  readonly groups: readonly string[];
}

export interface WorldGroup {
  readonly id: string;
  /** What `groups` in a rule holds. */
  readonly name: string;
}

export interface WorldRule {
  readonly id: string;
  /** The built-in rule, which is always met. */
  readonly unrestricted: boolean;
  /** CEL text, checked when it was written. */
  readonly source: string;
  /** IANA zone of `time`; null: the tenant's. */
  readonly timeZone: string | null;
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
  /** Id of the admission rule; a rule that is not in the world is never met. */
  readonly rule: string;
  /** INTERNET only: how public addresses that no resource covers are treated. */
  readonly mode: 'LOCAL' | 'RESTRICTED' | 'INTERNET_ACCESS_POINT' | null;
  /** SITETOSITE only: prefixes behind `gateways` that reach `resources`. */
  readonly sourceIps: readonly string[];
}

export interface WorldGateway {
  readonly id: string;
  readonly listenPort: number;
  /** Own overlay addresses with length, IPv4 then IPv6. */
  readonly addresses: readonly string[];
  readonly intent: GatewayIntent;
  readonly masquerade: boolean;
  /** Bytes that a packet in its tunnel may have; null: as the settings say. */
  readonly mtu: number | null;
  /** For people on devices. */
  readonly name: string;
  /** Of its WireGuard interface; null until it has enrolled. */
  readonly publicKey: string | null;
  /** Where it can be reached, `host:port`, best first. */
  readonly endpoints: readonly string[];
  /** Whether it forwards for others: encrypted datagrams between two agents, and plain devices that come in through it. */
  readonly relayEnabled: boolean;
  /** UDP ports for that, inclusive; the first answers round-trip probes, pairs get the others. */
  readonly relayPorts: { readonly from: number; readonly to: number };
  /** In MAINTENANCE: when flows that remain are cut, epoch milliseconds; else null. */
  readonly drainUntil: number | null;
  /** Whether its agent reports that applying failed. Changes without a commit. */
  readonly failing: boolean;
  /** Ids of the resources that it reports it cannot reach. Changes without a commit. */
  readonly unreachable: readonly string[];
}

/** Two agents between which a gateway forwards, once both may talk to each other. */
export interface WorldRelay {
  readonly id: string;
  /** Ids of two agents, a device and a gateway or two gateways, in any order. */
  readonly a: string;
  readonly b: string;
  /** Gateway that forwards. */
  readonly relay: string;
  /** UDP port there, of this pair alone. */
  readonly port: number;
}

/** One WireGuard responder of the controller's, as agents are told of it. */
export type WorldBeacon = Readonly<Pick<BeaconItem, 'id' | 'publicKey' | 'endpoint'>>;

export interface WorldSettings {
  /** Whole overlay per family. No resource ever matches inside of it. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  readonly mtu: number;
  /** What full tunnels leave of the networks that native devices are connected to. Absent: RESOLVERS. */
  readonly localNetwork?: 'CLOSED' | 'RESOLVERS' | 'OPEN';
  /** IANA zone of rules that name none. */
  readonly timeZone: string;
  /** Told to every agent. */
  readonly beacons: readonly WorldBeacon[];
}

/** One change of the world: the object as it is now, or null when it is gone. */
export type WorldChange =
  | { readonly kind: 'settings'; readonly value: WorldSettings }
  | { readonly kind: 'gateway'; readonly id: string; readonly value: WorldGateway | null }
  | { readonly kind: 'device'; readonly id: string; readonly value: WorldDevice | null }
  | { readonly kind: 'user'; readonly id: string; readonly value: WorldUser | null }
  | { readonly kind: 'group'; readonly id: string; readonly value: WorldGroup | null }
  | { readonly kind: 'rule'; readonly id: string; readonly value: WorldRule | null }
  | { readonly kind: 'resource'; readonly id: string; readonly value: WorldResource | null }
  | { readonly kind: 'policy'; readonly id: string; readonly value: WorldPolicy | null }
  | { readonly kind: 'relay'; readonly id: string; readonly value: WorldRelay | null };

/** Question: may this device, or a host at this address of a site, reach this destination (through this gateway)? */
export type AccessQuery = {
  /** IP address. */
  readonly destination: string;
  readonly protocol: DestinationProtocol;
  /** Ignored for icmp and other. */
  readonly port: number;
  /** Left out: through any gateway. */
  readonly gateway?: string;
  /** Epoch milliseconds. */
  readonly at: number;
} & ({ readonly device: string; readonly source?: never } | { readonly source: string; readonly device?: never });

export type PolicyStep = {
  readonly policy: string;
  readonly outcome: 'allowed' | 'denied' | 'skipped' | 'no-match';
  /** Why, in one sentence fragment fit for people. */
  readonly reason: string;
};

/** What is decided. */
export type Verdict =
  | {
      readonly allowed: true;
      readonly policy: string;
      /** Resources of the deciding policy that cover the destination; none for the public internet. */
      readonly resources: readonly string[];
      /** Gateways through which it is allowed, those in MAINTENANCE last. */
      readonly gateways: readonly string[];
      /** First moment at which the decision can be another one by itself; null: never. */
      readonly validUntil: number | null;
    }
  | {
      readonly allowed: false;
      /** Policy that denies it; null: none allows it. */
      readonly policy: string | null;
      readonly reason: string;
      readonly validUntil: number | null;
    };

/** A verdict with the policies that were walked up to it. */
export type Decision = Verdict & { readonly steps: readonly PolicyStep[] };
