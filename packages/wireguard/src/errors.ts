/** Stable names of what can go wrong. They are part of the API: never reused for something else. */
export type WireGuardErrorCode =
  /** A key, address, name or text from outside is malformed. */
  | 'invalid'
  /** Another program listens on the UDP port. */
  | 'port-taken'
  /** The link name belongs to something that is not ours to drive. */
  | 'name-taken'
  /** /dev/net/tun is missing. */
  | 'no-tun'
  /** The kernel has no WireGuard. */
  | 'no-kernel-module'
  /** A program that is needed is not installed. */
  | 'missing-tool'
  /** CAP_NET_ADMIN is missing. */
  | 'no-privilege'
  /** There is no such device, or it does not answer. */
  | 'not-running'
  /** An answer took too long. */
  | 'timeout'
  /** The other side answered something that is not the protocol. */
  | 'protocol'
  /** A command or a request was refused for another reason. */
  | 'failed';

/**
 * Every failure of this package. `message` says what happened, `hint` what a person can do about it. Neither holds a key.
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

/** For values from outside that do not parse. */
export function invalid(message: string): WireGuardError {
  return new WireGuardError('invalid', message);
}
