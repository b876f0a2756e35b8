/** A name that rules can use, with its type or signature, and what it means. */
export interface Word {
  /** What a click puts into the rule. */
  readonly text: string;
  readonly type: string;
  readonly about: string;
}
/** Names of admission rules in groups, as the reference beside the editor shows them. A test compares them with the rules. */
export declare const vocabulary: readonly {
  readonly title: string;
  readonly words: readonly Word[];
}[];
/** Rules to start from. */
export declare const examples: readonly {
  readonly title: string;
  readonly rule: string;
}[];
/** Returns whether a rule refers to time. The command line derives it the same way. */
export declare const asksForTime: (rule: string) => boolean;
