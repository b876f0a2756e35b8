import type { AccessType, GatewayIntent, PolicyType } from '@sallyport/contract';
import type { BeaconItem, DestinationProtocol, GatewayItem, PortRange } from '@sallyport/contract/channel';

export type { DestinationProtocol, PortRange } from '@sallyport/contract/channel';

/** A value that admission rules can read. */
export type Attribute = string | number | boolean | null | readonly string[];

/**
 * The world is one tenant's objects, reduced to what decisions depend on. The controller makes it from rows; ids are
 * row ids. Nothing here reads a clock: the caller passes the time.
 */

/** One address of a resource. */
export interface WorldAddress {
  readonly id: string;
  /** Canonical IP address or prefix. */
  readonly prefix: string;
  /** Host name for which the prefix is a virtual address. Absent: it is an address of the network itself. */
  readonly name?: string;
  /** Wildcard of the resource that covers the name. Absent: the resource has the address or name itself. */
  readonly wildcard?: string;
  /** Gateways of the resource that carry a virtual address: those in its network. Absent: all of the resource. */
  readonly gateways?: readonly string[];
  /** Ports of all protocols of the address. A protocol of type ALL means tcp, udp, icmp and other, with every port. */
  readonly ports: readonly PortRange[];
}

/** Addresses that can be reached through gateways. */
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

/** A device with what rules can read about it. */
export interface WorldDevice {
  readonly id: string;
  /** Deactivated devices are in the world, but no policy matches them. */
  readonly active: boolean;
  /** Owner, or null: then only `devices` and `allDevices` match. */
  readonly user: string | null;
  readonly name: string;
  readonly hardwareId: string;
  readonly appVersion: string | null;
  /** Facts that the device reported or an administrator set. */
  readonly posture: Readonly<Record<string, Attribute>>;
  /** Source address of its tunnel, and the country of that address (ISO 3166-1); null while unknown. */
  readonly sourceIp: string | null;
  readonly country: string | null;
  readonly publicKey: string;
  /** Overlay addresses, IPv4 then IPv6, without length. */
  readonly addresses: readonly string[];
  /** Whether our client runs on it. Then it is an agent and has its own state. */
  readonly native: boolean;
  /** Entry gateway of a plain device; null: it connects to each gateway directly. */
  readonly entryGateway: string | null;
  /** Public `host:port` of its WireGuard socket, if a beacon knows one that is the same for all peers; else null. */
  readonly endpoint: string | null;
}

/** A user with what rules can read about them. */
export interface WorldUser {
  readonly id: string;
  /** No policy matches users that are deactivated, expired or not yet signed up, nor their devices. */
  readonly active: boolean;
  readonly email: string;
  readonly department: string | null;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Ids of groups. */
  readonly groups: readonly string[];
}

/** A group of users. */
export interface WorldGroup {
  readonly id: string;
  /** Name that a rule finds in `groups`. */
  readonly name: string;
}

/** An admission rule. */
export interface WorldRule {
  readonly id: string;
  /** The built-in rule, which is always met. */
  readonly unrestricted: boolean;
  /** CEL text, checked when it was written. */
  readonly source: string;
  /** IANA zone of `time`; null: the tenant's. */
  readonly timeZone: string | null;
}

/** A policy. */
export interface WorldPolicy {
  readonly id: string;
  readonly type: PolicyType;
  /** Unique within the type. Lower is evaluated first. */
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

/** A gateway with its configuration and what its agent reports. */
export interface WorldGateway {
  readonly id: string;
  readonly listenPort: number;
  /** Own overlay addresses with length, IPv4 then IPv6. */
  readonly addresses: readonly string[];
  readonly intent: GatewayIntent;
  readonly masquerade: boolean;
  /** Largest packet in its tunnel, in bytes; null: the value of the settings. */
  readonly mtu: number | null;
  /** Resolvers of its names. Left out: those of its host. */
  readonly dnsServers?: NonNullable<GatewayItem['dnsServers']>;
  /** For people on devices. */
  readonly name: string;
  /** Public key of its WireGuard interface; null until it has enrolled. */
  readonly publicKey: string | null;
  /** Where it can be reached, `host:port`, best first. */
  readonly endpoints: readonly string[];
  /**
   * Whether it relays: encrypted datagrams between two agents, and traffic of plain devices that come in through it.
   */
  readonly relayEnabled: boolean;
  /** UDP ports for relaying, inclusive. The first answers round-trip probes, pairs get the others. */
  readonly relayPorts: { readonly from: number; readonly to: number };
  /** Epoch milliseconds at which MAINTENANCE cuts the remaining flows; else null. */
  readonly drainUntil: number | null;
  /** Whether its agent reports that applying its state failed. Changes without a commit. */
  readonly failing: boolean;
  /** Ids of the resources that it reports it cannot reach. Changes without a commit. */
  readonly unreachable: readonly string[];
}

/** Two agents for which a gateway relays while they may talk to each other. */
export interface WorldRelay {
  readonly id: string;
  /** Ids of two agents, a device and a gateway or two gateways, in any order. */
  readonly a: string;
  readonly b: string;
  /** Gateway that relays. */
  readonly relay: string;
  /** UDP port at the relay, for this pair alone. */
  readonly port: number;
}

/** A beacon, as agents are told about it. */
export type WorldBeacon = Readonly<Pick<BeaconItem, 'id' | 'publicKey' | 'endpoint'>> & {
  /** The controller process that has it. Each agent is told about the beacons of one place. Absent: every agent is told. */
  readonly place?: string;
};

/** Settings of a tenant. */
export interface WorldSettings {
  /** The whole overlay per address family. No resource ever matches inside it. */
  readonly overlay: {
    readonly v4: string;
    readonly v6: string;
    /** Range of the IPv4 addresses that stand for names. Absent: the usual one. */
    readonly names?: string;
  };
  readonly mtu: number;
  /** What a full tunnel leaves open of the local network of a native device. Absent: RESOLVERS. */
  readonly localNetwork?: 'CLOSED' | 'RESOLVERS' | 'OPEN';
  /** What gateways do with queries of devices for names that are no resource's. Absent: REFUSE. */
  readonly otherNames?: 'FORWARD' | 'REFUSE';
  /** IANA time zone of rules that name none. */
  readonly timeZone: string;
  /** Beacons of the controller. */
  readonly beacons: readonly WorldBeacon[];
}

/** One change of the world: the new version of an object, or null when it was removed. */
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

/** Asks whether a device, or a host of a site, may reach a destination, through any gateway or through one. */
export type AccessQuery = {
  /** IP address. */
  readonly destination: string;
  readonly protocol: DestinationProtocol;
  /** Ignored for icmp and other. */
  readonly port: number;
  /** The gateway; left out: any gateway. */
  readonly gateway?: string;
  /** Epoch milliseconds. */
  readonly at: number;
} & ({ readonly device: string; readonly source?: never } | { readonly source: string; readonly device?: never });

/** A policy that was evaluated, with its outcome. */
export type PolicyStep = {
  readonly policy: string;
  readonly outcome: 'allowed' | 'denied' | 'skipped' | 'no-match';
  /** Why, in a sentence fragment for people. */
  readonly reason: string;
};

/** A decision. */
export type Verdict =
  | {
      readonly allowed: true;
      readonly policy: string;
      /** Resources of the deciding policy that cover the destination; none for the public internet. */
      readonly resources: readonly string[];
      /** Gateways through which it is allowed, those in MAINTENANCE last. */
      readonly gateways: readonly string[];
      /** First moment at which the decision may change by time alone; null: never. */
      readonly validUntil: number | null;
    }
  | {
      readonly allowed: false;
      /** Policy that denies it; null: none allows it. */
      readonly policy: string | null;
      readonly reason: string;
      readonly validUntil: number | null;
    };

/** A decision with the policies that were evaluated up to it. */
export type Decision = Verdict & { readonly steps: readonly PolicyStep[] };
