import { z } from 'zod';
import { list } from '../bounds.ts';
import { id, ref, text, timestamp } from './common.ts';
import { Me, slug } from './sign-in.ts';

const hostAndPath = '(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?';
const issuerPattern = new RegExp(
  `^(https://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])|http://(localhost|127[.]0[.]0[.]1|\\[::1\\]))${hostAndPath}$`,
);
/** Issuer of a provider: the URL below which `/.well-known/openid-configuration` is found. */
export const issuer = z
  .string()
  .max(500)
  .regex(issuerPattern, 'must be an https:// URL without user, query and fragment; http:// is for localhost only');

const domain = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'must be a domain such as example.com');
/** Value of the claim that carries groups. Values are compared exactly. */
const claimValue = text(256, 1);

const optional = {
  label: text(40, 1).nullish().describe('Text of the button on the sign-in page; the name when left out'),
  clientSecret: text(1000, 1)
    .nullish()
    .describe('Client secret. It is never shown. null removes it; left out, it stays'),
  scopes: list(text(100, 1), 20).optional().describe('Scopes to ask for; openid is always asked for'),
  groupsClaim: text(200, 1)
    .nullish()
    .describe('Claim that carries the groups of a person. A dot leads into an object: realm_access.roles'),
  groupMapping: list(z.strictObject({ value: claimValue, group: ref }), 500)
    .optional()
    .describe('Groups that a value of the claim puts people into. Values in idpMapping of groups count too'),
  emailDomains: list(domain, 50).optional().describe('Only people with a verified address in these domains sign in'),
  hostedDomains: list(domain, 50).optional().describe('Google: values of the claim hd that may sign in'),
  entraTenants: list(z.uuid(), 50).optional().describe('Entra ID: values of the claim tid that may sign in'),
  requiredGroup: claimValue.nullish().describe('Only people with this value in the groups claim sign in'),
  provisioning: z
    .boolean()
    .optional()
    .describe('Create an account at the first sign-in. Needs hostedDomains, entraTenants or requiredGroup'),
  trustEmail: z
    .boolean()
    .optional()
    .describe('Take e-mail addresses as verified although the provider does not say so'),
  requireAuthTime: z
    .boolean()
    .optional()
    .describe('Count a sign-in as fresh only if the provider says when the person signed in (auth_time)'),
  assuresSecondFactor: z
    .boolean()
    .optional()
    .describe('The provider asks everybody for a second factor, even if it does not say so in amr'),
  position: z.int().min(0).max(1000).optional().describe('Order of the buttons on the sign-in page, lowest first'),
  enabled: z.boolean().optional().describe('Whether people can sign in. Disabling ends the sessions of the provider'),
};
const name = text(80, 1);
const clientId = text(256, 1);

/** Request body that creates a provider. */
export const CreateProvider = z.strictObject({ name, issuer, clientId, ...optional }).meta({ id: 'CreateProvider' });

/** Request body that changes a provider. Absent fields stay. */
export const UpdateProvider = z
  .strictObject({ name: name.optional(), issuer: issuer.optional(), clientId: clientId.optional(), ...optional })
  .meta({ id: 'UpdateProvider' });

/** An OpenID Connect provider as answers carry it. */
export const Provider = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    label: z.string().optional(),
    issuer: z.string(),
    clientId: z.string(),
    hasClientSecret: z.boolean(),
    scopes: z.array(z.string()),
    groupsClaim: z.string().optional(),
    groupMapping: z.array(z.object({ value: z.string(), group: z.object({ id, name: z.string() }) })),
    emailDomains: z.array(z.string()),
    hostedDomains: z.array(z.string()),
    entraTenants: z.array(z.string()),
    requiredGroup: z.string().optional(),
    provisioning: z.boolean(),
    trustEmail: z.boolean(),
    requireAuthTime: z.boolean(),
    assuresSecondFactor: z.boolean(),
    position: z.int(),
    enabled: z.boolean(),
    redirectUri: z.string().optional().describe('Redirect URI to register at the provider'),
    logoutUri: z.string().optional().describe('Back-channel logout URI to register at the provider'),
  })
  .meta({ id: 'Provider' });
export type Provider = z.infer<typeof Provider>;

/** Fields of a provider that a request may repeat and that are ignored. */
export const providerReadOnly = [
  'id',
  'createdAt',
  'updatedAt',
  'hasClientSecret',
  'redirectUri',
  'logoutUri',
] as const;

/** All providers of the tenant, in the order of their buttons. */
export const Providers = z.array(Provider);

/** Result of a check of a provider. */
export const ProviderCheck = z
  .object({
    ok: z.boolean().describe('Whether nothing was found that stops a sign-in'),
    findings: z.array(
      z.object({
        severity: z.enum(['error', 'warning']),
        message: z.string().describe('What is wrong, and what to do'),
      }),
    ),
  })
  .meta({ id: 'ProviderCheck' });
export type ProviderCheck = z.infer<typeof ProviderCheck>;

/** Query of the providers on the sign-in page. */
export const signInProviderQuery = z.strictObject({
  tenant: slug.optional().describe('Short name of the tenant; optional when the controller serves one tenant'),
});

/** Providers as the sign-in page shows them. */
export const SignInProviders = z
  .array(z.object({ id, label: z.string() }).meta({ id: 'SignInProvider' }))
  .describe('Empty for an unknown tenant');

const page = z
  .string()
  .max(1000)
  .regex(/^(?!.*\.\.)\/console(\/[A-Za-z0-9._~/-]*)?(\?[A-Za-z0-9._~%&=+:,*-]*)?$/, 'must be a page of the console')
  .optional()
  .describe('Page of the console to come back to');

/** Request body that begins a sign-in through a provider. */
export const BeginProviderSignIn = z
  .strictObject({
    page,
    fresh: z.boolean().optional().describe('Ask the provider to let the person sign in again there'),
  })
  .meta({ id: 'BeginProviderSignIn' });

/** Request body that begins to link a provider. */
export const BeginProviderLink = z.strictObject({ page }).meta({ id: 'BeginProviderLink' });

/** Where to go on. */
export const ProviderRedirect = z
  .object({ url: z.string().describe('Authorization URL of the provider, to open in the same browser') })
  .meta({ id: 'ProviderRedirect' });

/** Request body with what the provider sent back. */
export const FinishProviderSignIn = z
  .strictObject({
    answer: z.string().max(8000).describe('Query of the redirect URI as the provider sent the browser to it'),
  })
  .meta({ id: 'FinishProviderSignIn' });

/** The end of a sign-in or of linking through a provider. */
export const ProviderReturn = z
  .object({
    linked: z.boolean().describe('true: the provider was linked to the account of the session that began it'),
    page: z.string().optional().describe('Page of the console that the person came from'),
    me: Me,
  })
  .meta({ id: 'ProviderReturn' });
