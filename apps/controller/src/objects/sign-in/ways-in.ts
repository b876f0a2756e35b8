import type { SignInSettings } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { listProviders, settingsOf } from '../providers/queries.ts';
import { type MethodRow, methodOf, signsIn } from './methods.ts';

/** Returns whether somebody with these methods can sign in under these settings. */
export async function canSignIn(
  db: Scoped,
  methods: readonly MethodRow[],
  { methods: allowed, secondFactor }: Pick<SignInSettings, 'methods' | 'secondFactor'>,
): Promise<boolean> {
  const providers = new Map((await listProviders(db)).map((row) => [row.id, row]));
  const ofProvider = ({ provider_id }: MethodRow) => providers.get(provider_id ?? '');
  const usable = methods.filter(
    (method) =>
      signsIn(method) &&
      (allowed as readonly string[]).includes(method.kind) &&
      (method.kind !== 'PROVIDER' || ofProvider(method)?.enabled === 1),
  );
  if (secondFactor === 'OPTIONAL') return usable.length > 0;
  const hasTotp = methodOf(methods, 'TOTP') !== null;
  return usable.some((method) => {
    if (method.kind !== 'PROVIDER') return method.kind === 'PASSKEY' || hasTotp;
    const row = ofProvider(method);
    return row !== undefined && settingsOf(row).assuresSecondFactor;
  });
}
