/** Stable codes of failures. They are part of the API, and a code never gets a new meaning. */
export type WireGuardErrorCode =
  /** A key, address, name or text from outside is malformed. */
  | 'invalid'
  /** Another program listens on the UDP port. */
  | 'port-taken'
  /** The link name belongs to a link of another program. */
  | 'name-taken'
  /** /dev/net/tun is missing. */
  | 'no-tun'
  /** The kernel has no WireGuard. */
  | 'no-kernel-module'
  /** A required program is not installed. */
  | 'missing-tool'
  /** CAP_NET_ADMIN is missing. */
  | 'no-privilege'
  /** The device does not exist or does not answer. */
  | 'not-running'
  /** An answer took too long. */
  | 'timeout'
  /** The answer of the other side violates the protocol. */
  | 'protocol'
  /** A command or request failed for another reason. */
  | 'failed';

/**
 * A failure of this package. `message` says what happened, `hint` what a person can do. Neither contains a key.
 */
export class WireGuardError extends Error {
  override readonly name = 'WireGuardError';
  readonly code: WireGuardErrorCode;
  readonly hint: string | null;

  constructor(code: WireGuardErrorCode, message: string, hint: string | null = null) {
    super(hint === null ? message : `${message}: ${hint}`);
    this.code = code;
    this.hint = hint;
  }
}

/** Returns the error for a malformed value from outside. */
export function invalid(message: string): WireGuardError {
  return new WireGuardError('invalid', message);
}
