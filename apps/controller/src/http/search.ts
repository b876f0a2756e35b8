import { wordsOf } from '@sallyport/contract';
import { canonicalUnmapped } from '@sallyport/ip';

/** Returns the words to search a list for. An IP address is searched for as lists show it, whatever its notation. */
export const searchWords = (q: string | undefined): string[] =>
  wordsOf(q ?? '').map((word) => canonicalUnmapped(word) ?? word);
