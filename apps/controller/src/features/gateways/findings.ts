/** The result of one check as a sentence; for a fault, also its cause and what to do. */
export interface Finding {
  readonly sentence: string;
  readonly error?: string;
}

/** Returns a finding without an error. */
export const found = (sentence: string): Finding => ({ sentence });

/** Returns a finding with an error. */
export const wrong = (sentence: string, error: string): Finding => ({ sentence, error });
