import type { SignInSettings } from '@sallyport/contract';
import { decodeJson } from '../../db/json.ts';
import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';
import { ApiError } from '../../errors.ts';

/** The columns of a tenant that hold its sign-in settings. */
export type SettingsRow = Pick<Row<'tenants'>, 'slug' | 'sign_in' | 'name'>;

const defaults = {
  methods: ['PASSKEY', 'PASSWORD', 'PROVIDER'],
  secondFactor: 'OPTIONAL',
  idleMinutes: 12 * 60,
  absoluteHours: 7 * 24,
  notices: ['METHODS'],
} as const satisfies Omit<SignInSettings, 'slug'>;

/** Returns the sign-in settings of a tenant: what its row holds, and the defaults for the rest. */
export const signInSettings = ({ slug, sign_in }: SettingsRow): SignInSettings => ({
  slug: slug ?? '',
  ...defaults,
  methods: [...defaults.methods],
  notices: [...defaults.notices],
  ...decodeJson<Partial<SignInSettings>>(sign_in),
});

/** Reads the row of the tenant that its sign-in settings stand in. */
export const settingsRow = (db: Scoped): Promise<SettingsRow> =>
  db.selectTenant().select(['slug', 'sign_in', 'name']).executeTakeFirstOrThrow();

/** Makes a short name from the name of a tenant: `Acme GmbH` becomes `acme-gmbh`. May be empty. */
export const slugOf = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[\u0300-\u036f]/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '');

/** Throws when the tenant does not allow a method. */
export function requireMethod({ methods }: SignInSettings, method: SignInSettings['methods'][number]): void {
  if (!methods.includes(method))
    throw new ApiError('method_not_allowed_here', `The tenant allows only: ${methods.join(', ').toLowerCase()}`);
}
