/**
 * WireGuard devices as plain data. Nothing here does anything: other packages import these types without
 * importing a backend. Keys are base64 text of 32 bytes, addresses are canonical text (see `address.ts`).
 */

/** What a peer should be. */
export interface PeerConfig {
  /** Curve25519 public key, base64. */
  readonly publicKey: string;
  /** Extra symmetric key, base64. Absent: none. */
  readonly presharedKey?: string;
  /** Where to send first: `192.0.2.1:51820` or `[2001:db8::1]:51820`. Absent: wait for the peer to speak. */
  readonly endpoint?: string;
  /** Canonical CIDRs. No address range may belong to two peers of one device. */
  readonly allowedIps: readonly string[];
  /** Seconds, 1..65535. Absent: off. */
  readonly persistentKeepalive?: number;
}

/** What a device should be, whole: a peer that is not in `peers` shall not exist. */
export interface DeviceConfig {
  /** Curve25519 private key, base64. */
  readonly privateKey: string;
  /** UDP port, 0..65535; 0 leaves the choice to the system. */
  readonly listenPort: number;
  /** Mark on outgoing datagrams. Absent: none. */
  readonly fwmark?: number;
  /** By base64 public key. */
  readonly peers: ReadonlyMap<string, PeerConfig>;
}

/** A peer as the device reports it. Carries no secret. */
export interface PeerStatus {
  readonly publicKey: string;
  /** Short digest of the preshared key, for comparison only. Absent: no preshared key. */
  readonly presharedKeyHash?: string;
  /** The present endpoint, which may have roamed. Absent: none is known. */
  readonly endpoint?: string;
  readonly allowedIps: readonly string[];
  readonly persistentKeepalive?: number;
  /** Epoch milliseconds; null: never. */
  readonly lastHandshake: number | null;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** A device as it is. Never holds the private key: that is turned into the public key while it is read. */
export interface DeviceStatus {
  /** Null: the device has no key yet. */
  readonly publicKey: string | null;
  /** The UDP port in use; 0: it does not listen. */
  readonly listenPort: number;
  /** 0: none. */
  readonly fwmark: number;
  /** By base64 public key. */
  readonly peers: ReadonlyMap<string, PeerStatus>;
}

/**
 * One step on one peer. `set` creates the peer or replaces what it has: allowed IPs, preshared key and keepalive become
 * exactly what `peer` says. Only an absent endpoint leaves the peer's endpoint as it is, because endpoints roam.
 */
export type PeerChange =
  | { readonly kind: 'remove'; readonly publicKey: string }
  | { readonly kind: 'set'; readonly peer: PeerConfig };

/** Steps from one state of a device to another. Absent fields stay as they are; peers are changed in this order. */
export interface DeviceChange {
  readonly privateKey?: string;
  readonly listenPort?: number;
  readonly fwmark?: number;
  readonly peers: readonly PeerChange[];
}

/** How the device is run. */
export type BackendKind = 'kernel' | 'userspace' | 'memory';

/**
 * Runs WireGuard devices. All failures are `WireGuardError`. Calls about the same device must not overlap.
 */
export interface WireGuardBackend {
  readonly kind: BackendKind;
  /** Makes the device exist and answer. Leaves one that does untouched. Sets no address and does not bring the link up. */
  ensure(name: string): Promise<void>;
  /** The device as it is; null: there is none that answers. */
  read(name: string): Promise<DeviceStatus | null>;
  /**
   * Applies the steps: the device's own settings first, so that a new peer never hears from a port that is given up at once.
   * A port that is taken (`port-taken`) is reported after the peers are done, so that it cannot hold up a revocation; the
   * device then may listen nowhere. Rejects with `not-running` when there is no device.
   */
  apply(name: string, change: DeviceChange): Promise<void>;
  /** Ends the device and removes its link. Does nothing when there is none. */
  remove(name: string): Promise<void>;
}
