/** What a check of a gateway has found out, as a sentence; and when that is wrong, what it is and what to do. */
export interface Finding {
  readonly sentence: string;
  readonly error?: string;
}

export const found = (sentence: string): Finding => ({ sentence });
export const wrong = (sentence: string, error: string): Finding => ({ sentence, error });
