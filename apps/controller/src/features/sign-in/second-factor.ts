import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { dataOf, type MethodRow, methodOf, methodsOf, useMethod } from '../../objects/sign-in/methods.ts';
import { acceptedStep, totpPurpose, withoutCode } from '../../objects/sign-in/totp.ts';

/** The methods may have been changed while the password was hashed. */
export async function stillSet(tx: Tx, method: MethodRow): Promise<void> {
  const now = (await methodsOf(tx.scoped, method.user_id)).find(({ id }) => id === method.id);
  if (now?.data !== method.data) throw new ApiError('sign_in_failed', 'The sign-in method has changed: try again');
}

/** Returns how the transaction spends the code, or null when the code fits nothing. */
export function secondFactorOf(
  { box, store }: SignInDeps,
  methods: readonly MethodRow[],
  code: string | undefined,
): ((tx: Tx) => Promise<void>) | null {
  if (code === undefined) return null;
  const totp = methodOf(methods, 'TOTP');
  if (totp !== null) {
    const data = dataOf(totp, 'TOTP');
    const step = acceptedStep(box.open(data.sealed, totpPurpose(totp.user_id)), code, store.now(), data.lastStep);
    if (step !== null)
      return async (tx) => {
        await stillSet(tx, totp);
        await useMethod(tx, totp, 'TOTP', { ...data, lastStep: step });
      };
  }
  const recovery = methodOf(methods, 'RECOVERY_CODES');
  const left = recovery === null ? null : withoutCode(dataOf(recovery, 'RECOVERY_CODES').hashes, code);
  if (recovery === null || left === null) return null;
  return async (tx) => {
    await stillSet(tx, recovery);
    await useMethod(tx, recovery, 'RECOVERY_CODES', { hashes: left });
  };
}
