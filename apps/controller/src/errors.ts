import { type ErrorCode, errorCatalogue, type FieldError } from '@sallyport/contract';

/** A failure that the client is told about, from the catalogue. Thrown anywhere below a route. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly fields: readonly FieldError[];
  /** Seconds after which it may be tried again. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, detail?: string, fields: readonly FieldError[] = [], retryAfter?: number) {
    super(detail ?? errorCatalogue[code].title);
    this.code = code;
    this.detail = detail;
    this.fields = fields;
    this.retryAfter = retryAfter;
  }
}

/** Returns the failure for an id that does not exist in the tenant. */
export const notFound = (): ApiError => new ApiError('not_found');

/** One bad field found by a command, told like those that the schema finds. `pointer` as in FieldError. */
export function invalidField(pointer: string, message: string, code: ErrorCode = 'invalid_request'): ApiError {
  return new ApiError(code, undefined, [{ pointer, message }]);
}

/** A failure that an operator can mend; the message is the whole story and is shown without a stack. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}
