import type { ErrorCode, FieldError } from '@sallyport/contract';
import { ApiError } from './errors.ts';

/** Collects what a command finds wrong with a request, so that all of it is told at once. */
export class FieldErrors {
  readonly #found: (FieldError & { readonly code: ErrorCode })[] = [];

  /** `pointer` as in FieldError. */
  add(pointer: string, message: string, code: ErrorCode = 'invalid_request'): void {
    this.#found.push({ pointer, message, code });
  }

  /** Throws when something was found. A problem has one code: that of what was found first, with all its fields. */
  check(): void {
    const first = this.#found[0];
    if (first === undefined) return;
    const fields = this.#found.filter(({ code }) => code === first.code);
    throw new ApiError(
      first.code,
      undefined,
      fields.map(({ pointer, message }) => ({ pointer, message })),
    );
  }
}
