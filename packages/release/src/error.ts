/** Cause of a refusal of a release. */
export type ReleaseProblem =
  | 'bad_key'
  | 'bad_signature'
  | 'bad_sums'
  | 'no_archive'
  | 'wrong_sum'
  | 'not_newer'
  | 'damaged'
  | 'unsafe'
  | 'too_large'
  | 'no_space'
  | 'no_xz'
  | 'exists';

/** A release that is refused, or cannot be unpacked. The message says which part, in words for an operator. */
export class ReleaseError extends Error {
  readonly problem: ReleaseProblem;

  constructor(problem: ReleaseProblem, message: string) {
    super(message);
    this.name = 'ReleaseError';
    this.problem = problem;
  }
}
