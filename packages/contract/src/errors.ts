/**
 * The error catalogue. It holds a stable code for every failure that a client can see. Codes are never reused.
 * `docs/errors.md` explains each code, and a test compares the two. Bodies are RFC 9457 problem details.
 */
export const errorCatalogue = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_request: { status: 400, title: 'The request does not fit the schema' },
  invalid_reference: { status: 400, title: 'The request names an object that does not exist' },
  not_supported_yet: { status: 400, title: 'This part of the API is not available in this version' },
  invalid_rule: { status: 400, title: 'The admission rule is not a valid CEL expression' },
  rule_not_allowed: { status: 400, title: 'A policy that denies takes only the built-in admission rule' },
  weak_password: { status: 400, title: 'The password is too easy to guess' },
  unauthenticated: { status: 401, title: 'A valid API key or a session is required' },
  sign_in_failed: { status: 401, title: 'The sign-in was not accepted' },
  second_factor_required: { status: 401, title: 'A code of the authenticator app is required' },
  forbidden: { status: 403, title: 'The role of the caller does not allow this' },
  cross_site: { status: 403, title: 'The request does not come from a page of this controller' },
  fresh_sign_in_required: { status: 403, title: 'This needs a sign-in within the last ten minutes' },
  method_not_allowed_here: { status: 403, title: 'The tenant does not allow this way to sign in' },
  sign_in_unavailable: { status: 403, title: 'People cannot sign in at this address' },
  not_found: { status: 404, title: 'Nothing with this id exists in this tenant' },
  route_not_found: { status: 404, title: 'This path does not exist' },
  method_not_allowed: { status: 405, title: 'This path does not accept this method' },
  in_use: { status: 409, title: 'Other objects still use this one' },
  public_key_taken: { status: 409, title: 'The public key is already in use' },
  native_device: { status: 409, title: 'The device runs the client, which needs no configuration' },
  last_api_key: { status: 409, title: 'The last API key that may manage keys cannot be deleted' },
  built_in: { status: 409, title: 'A built-in object cannot be changed or deleted' },
  quota_exceeded: { status: 409, title: 'The tenant has reached its quota of objects of this kind' },
  device_limit: { status: 409, title: 'The user has reached the limit of devices' },
  device_deactivated: { status: 409, title: 'An administrator has deactivated the device' },
  email_taken: { status: 409, title: 'A user with this e-mail address already exists' },
  last_group: { status: 409, title: 'A user must be in at least one group' },
  last_owner: { status: 409, title: 'The owner of the tenant cannot be removed' },
  not_invited: { status: 409, title: 'The user has no pending invitation' },
  overlay_exhausted: { status: 409, title: 'The tenant has no overlay address left' },
  not_active: { status: 409, title: 'The user is not active' },
  last_method: { status: 409, title: 'The last way to sign in cannot be removed' },
  method_limit: { status: 409, title: 'The user has reached the limit of sign-in methods' },
  slug_taken: { status: 409, title: 'Another tenant has this short name' },
  identity_taken: { status: 409, title: 'The account at the provider belongs to another user' },
  not_deployed: { status: 409, title: 'The gateway has never been deployed' },
  upgrade_not_possible: { status: 409, title: 'The gateway cannot be upgraded from here' },
  idempotency_in_progress: { status: 409, title: 'A request with this Idempotency-Key is still running' },
  mail_off: { status: 409, title: 'The controller sends no mail' },
  link_gone: { status: 410, title: 'The link is no longer valid' },
  changes_gone: { status: 410, title: 'The change stream cannot continue from this revision' },
  precondition_failed: { status: 412, title: 'The object has changed since it was read' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'Only application/json is accepted' },
  idempotency_key_reused: { status: 422, title: 'This Idempotency-Key was used with a different request' },
  provider_failed: { status: 424, title: 'The sign-in provider could not be used' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'The controller failed; its log names the cause' },
  storage_full: { status: 503, title: 'The disk of the controller is full, so nothing can be written' },
  mail_failed: { status: 503, title: 'The mail server did not take the mail' },
  unavailable: { status: 503, title: 'The controller cannot serve this request now; retry later' },
} as const satisfies Record<string, { status: number; title: string }>;

/** Code of an error of the catalogue. */
export type ErrorCode = keyof typeof errorCatalogue;

/** An error in one field: a JSON pointer into the body, or `query/name`, `path/name`, `header/name`. */
export interface FieldError {
  readonly pointer: string;
  readonly message: string;
  /** Line and column within a field of several lines, both from 1. */
  readonly line?: number;
  readonly column?: number;
  /** Advice for fixing the problem. */
  readonly hint?: string;
}
