/**
 * WireGuard devices as plain data. Other packages can import these types without a backend. Keys are base64 text of 32
 * bytes, addresses are canonical text (see `address.ts`).
 */

/** Desired configuration of a peer. */
export interface PeerConfig {
  /** Curve25519 public key, base64. */
  readonly publicKey: string;
  /** Extra symmetric key, base64. Absent: none. */
  readonly presharedKey?: string;
  /** Initial endpoint: `192.0.2.1:51820` or `[2001:db8::1]:51820`. Absent: wait for the peer to send. */
  readonly endpoint?: string;
  /** Canonical CIDRs. No address range may belong to two peers of one device. */
  readonly allowedIps: readonly string[];
  /** Keepalive interval in seconds, 1..65535. Absent: off. */
  readonly persistentKeepalive?: number;
}

/** Complete desired configuration of a device. Peers that are not in `peers` are removed. */
export interface DeviceConfig {
  /** Curve25519 private key, base64. */
  readonly privateKey: string;
  /** UDP port, 0..65535. 0: the system chooses a port. */
  readonly listenPort: number;
  /** Mark on outgoing datagrams. Absent: none. */
  readonly fwmark?: number;
  /** By base64 public key. */
  readonly peers: ReadonlyMap<string, PeerConfig>;
}

/** A peer as the device reports it, without secrets. */
export interface PeerStatus {
  readonly publicKey: string;
  /** Short digest of the preshared key, for comparison only. Absent: no preshared key. */
  readonly presharedKeyHash?: string;
  /** Current endpoint, which may have roamed. Absent: none is known. */
  readonly endpoint?: string;
  readonly allowedIps: readonly string[];
  readonly persistentKeepalive?: number;
  /** Epoch milliseconds; null: never. */
  readonly lastHandshake: number | null;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** Current state of a device. The private key is converted to the public key while it is read. */
export interface DeviceStatus {
  /** Null: the device has no key yet. */
  readonly publicKey: string | null;
  /** UDP port in use; 0: the device does not listen. */
  readonly listenPort: number;
  /** 0: none. */
  readonly fwmark: number;
  /** By base64 public key. */
  readonly peers: ReadonlyMap<string, PeerStatus>;
}

/**
 * One step on one peer. `set` creates the peer or replaces its allowed IPs, preshared key and keepalive with those of `peer`.
 * An absent endpoint keeps the current one, because endpoints roam.
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

/** Implementation of WireGuard that runs the device. */
export type BackendKind = 'kernel' | 'userspace' | 'memory';

/**
 * Runs WireGuard devices. All failures are `WireGuardError`. Calls about the same device must not overlap.
 */
export interface WireGuardBackend {
  readonly kind: BackendKind;
  /** Creates or restarts the device if it does not answer. Sets no address and does not bring the link up. */
  ensure(name: string): Promise<void>;
  /** Reads the device. Returns null if it does not exist or does not answer. */
  read(name: string): Promise<DeviceStatus | null>;
  /**
   * Applies the steps. The device's own settings come first, so that a new peer never sees the old port. A taken port
   * (`port-taken`) is reported after all peers are changed, so that it cannot delay a revocation. The device may then not
   * listen at all. Rejects with `not-running` when there is no device.
   */
  apply(name: string, change: DeviceChange): Promise<void>;
  /** Stops the device and removes its link. Does nothing if there is none. */
  remove(name: string): Promise<void>;
}
