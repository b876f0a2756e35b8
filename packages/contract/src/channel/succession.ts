import { z } from 'zod';
import { list } from '../bounds.ts';

const key32 = z.string().regex(/^[A-Za-z0-9+/]{43}=?$/);
const signature = z.string().regex(/^[A-Za-z0-9+/]{86}={0,2}$/);

/** Statement of the controller that one of its signing keys takes the place of another, signed by the one before. */
export const Succession = z.strictObject({ from: key32, to: key32, signature });
export type Succession = z.infer<typeof Succession>;

/** Successions that a challenge holds at most. */
export const mostSuccessions = 8;

/** The successions that led to the key of a controller, oldest first. Each begins where the one before ends. */
export const Successions = list(Succession, mostSuccessions);

/** Returns the text that the earlier key signs. */
export const successionText = ({ from, to }: Pick<Succession, 'from' | 'to'>): string =>
  ['sallyport-succession', from, to].join('\n');

/**
 * Returns the trusted key that the successions lead from, to the key that a controller proves now; null when no
 * unbroken chain of valid signatures does. The newest trusted key counts.
 */
export function trustedOrigin(
  successions: readonly Succession[],
  key: string,
  isTrusted: (key: string) => boolean,
  verify: (publicKey: string, text: string, signature: string) => boolean,
): string | null {
  let next = key;
  for (const succession of successions.toReversed()) {
    const { from, to, signature } = succession;
    if (to !== next || !verify(from, successionText(succession), signature)) return null;
    if (isTrusted(from)) return from;
    next = from;
  }
  return null;
}
