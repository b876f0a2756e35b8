/** Stable codes of failures. */
export type HostNetErrorCode =
  /** A required program is not installed. */
  | 'missing-tool'
  /** The process has no permission to change the network. */
  | 'no-privilege'
  /** The kernel lacks a feature, or the feature is disabled. */
  | 'unsupported-kernel'
  /** Foreign rules would drop the tunnel's traffic. */
  | 'foreign-chain-drops'
  /** The tunnel interface does not exist. */
  | 'missing-interface'
  /** The host's own network has addresses that the tunnel needs. */
  | 'address-clash'
  /** The given state is malformed or contradicts itself. */
  | 'invalid-state'
  /** The system refused a change that looked valid. */
  | 'rejected'
  /** A program printed output that this package cannot parse. */
  | 'bad-output';

/** A failure on the host. `hint` tells an operator how to solve it. It never contains secrets. */
export class HostNetError extends Error {
  readonly code: HostNetErrorCode;
  readonly hint: string | null;

  constructor(code: HostNetErrorCode, message: string, hint: string | null = null, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HostNetError';
    this.code = code;
    this.hint = hint;
  }
}
