import type { Finding } from './types.ts';

/** Everything is as it should be. */
export const ok = (text: string): Finding => ({ result: 'ok', text });

/** Something may cause trouble. */
export const warning = (text: string, advice: string): Finding => ({ result: 'warning', text, advice });

/** Something does not work. */
export const problem = (text: string, advice: string): Finding => ({ result: 'problem', text, advice });

/** Nothing was checked. */
export const skipped = (text: string): Finding => ({ result: 'skipped', text });
