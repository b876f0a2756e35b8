/** Stable names of what can go wrong. */
export type HostNetErrorCode =
  /** A program that we need is not installed. */
  | 'missing-tool'
  /** The process may not change the network. */
  | 'no-privilege'
  /** The kernel lacks a feature, or a part of it is switched off. */
  | 'unsupported-kernel'
  /** Somebody else's rules would drop the tunnel's traffic. */
  | 'foreign-chain-drops'
  /** The tunnel interface does not exist. */
  | 'missing-interface'
  /** The host's own network has addresses that the tunnel needs. */
  | 'address-clash'
  /** The given state contradicts itself or is malformed. */
  | 'invalid-state'
  /** The system refused a change that looked right. */
  | 'rejected'
  /** A program answered something that we do not understand. */
  | 'bad-output';

/** What went wrong on the host, and in `hint` what an operator can do about it. Never contains secrets. */
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
