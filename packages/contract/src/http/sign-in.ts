import { z } from 'zod';
import { list } from '../bounds.ts';
import { secret } from '../secrets.ts';
import { roleType } from './api-keys.ts';
import { id, text, timestamp } from './common.ts';
import { email } from './users.ts';

/** Short name of a tenant, which people type to sign in. It is not secret. */
export const slug = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'must be 1 to 40 lower-case letters, digits and hyphens');

/** A new password. The schema checks the length; the controller rejects common passwords. */
export const newPassword = z.string().min(12, 'must have at least 12 characters').max(256);
const typedPassword = z.string().min(1).max(256);

/** Six-digit code of an authenticator app, or a recovery code. Spaces and hyphens are ignored. */
export const secondFactorCode = z.string().min(6).max(40);

const base64url = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9_-]*$/, 'must be base64url');

/** Response of a passkey, as `PublicKeyCredential.toJSON()` returns it (WebAuthn Level 3). The controller verifies it. */
const credential = z.object({
  id: base64url(1400),
  rawId: base64url(1400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: base64url(8000),
    /** Present when the passkey is new. */
    attestationObject: base64url(40_000).optional(),
    transports: list(z.string().max(40), 20).optional(),
    /** Present at a sign-in. */
    authenticatorData: base64url(8000).optional(),
    signature: base64url(4000).optional(),
    userHandle: base64url(200).optional(),
  }),
  clientExtensionResults: z.object({}),
  authenticatorAttachment: z.string().max(40).nullish(),
});

/** Options for `navigator.credentials`, in their JSON form (WebAuthn Level 3). */
const passkeyOptions = z.record(z.string(), z.unknown());
const attempt = z.string().max(2000).describe('Value of `attempt` in the answer with the options');

/** Options of the sign-in page. */
export const SignInOptions = z
  .object({
    available: z.boolean().describe('Whether people can sign in at this address'),
    reason: z.string().optional().describe('Reason why people cannot sign in, with advice'),
    url: z.string().describe('URL of the sign-in page'),
    tenants: z
      .enum(['NONE', 'ONE', 'SEVERAL'])
      .describe('SEVERAL: a sign-in with a password needs the short name of the tenant'),
    forgotPassword: z.boolean().describe('Whether the controller mails a link to set a new password'),
    setUp: z.boolean().describe('Whether a set-up link is needed, because a tenant has no owner who can sign in'),
  })
  .meta({ id: 'SignInOptions' });
export type SignInOptions = z.infer<typeof SignInOptions>;

/** Request body of a sign-in with a password. */
export const PasswordSignIn = z
  .strictObject({
    tenant: slug.optional().describe('Short name of the tenant; optional when the controller serves one tenant'),
    email,
    password: typedPassword,
    code: secondFactorCode.optional().describe('Six-digit code of the authenticator app, or a recovery code'),
  })
  .meta({ id: 'PasswordSignIn' });

/** Request body of a person who has forgotten the password. */
export const ForgotPassword = z
  .strictObject({
    tenant: slug.optional().describe('Short name of the tenant; optional when the controller serves one tenant'),
    email,
  })
  .meta({ id: 'ForgotPassword' });

/** Options that a browser needs to use a passkey, and the id of the attempt. */
export const PasskeyOptions = z.object({ attempt: z.string(), options: passkeyOptions }).meta({ id: 'PasskeyOptions' });

/** Request body of a sign-in with a passkey. */
export const PasskeySignIn = z.strictObject({ attempt, credential }).meta({ id: 'PasskeySignIn' });

const linkSecret = z.string().min(20).max(200).describe('Text after # in the link');

/** Purpose of a one-time link. */
export const linkPurpose = z.enum(['SET_UP', 'INVITATION', 'PASSWORD', 'OPERATOR']);

/** Request body that opens a one-time link. */
export const OpenLink = z.strictObject({ secret: linkSecret }).meta({ id: 'OpenLink' });

/** Purpose of a link. Reading it does not use up the link. */
export const SignInLink = z
  .object({
    purpose: linkPurpose,
    tenant: z.string().describe('Name of the tenant'),
    email: z.string().optional().describe('E-mail address of the user of the link; left out in a set-up link'),
    methods: z.array(z.enum(['PASSWORD', 'PASSKEY'])).describe('Sign-in methods that the link can set'),
    secondFactor: z.boolean().describe('Whether a code of the authenticator app, or a recovery code, is needed too'),
    expiresAt: timestamp,
  })
  .meta({ id: 'SignInLink' });
export type SignInLink = z.infer<typeof SignInLink>;

const person = {
  email: email.optional().describe('Required with a set-up link, rejected with any other link'),
  firstName: text(120).optional(),
  lastName: text(120).optional(),
};

/** Request body that sets a password with a one-time link. */
export const LinkPassword = z
  .strictObject({
    secret: linkSecret,
    ...person,
    password: newPassword,
    code: secondFactorCode.optional().describe('Needed when the account has an authenticator app'),
  })
  .meta({ id: 'LinkPassword' });

/** Request body that asks for the options of a new passkey with a one-time link. */
export const LinkPasskeyOptions = z.strictObject({ secret: linkSecret, ...person }).meta({ id: 'LinkPasskeyOptions' });
const passkeyName = text(80, 1).optional().describe('Name that the person gives the passkey');

/** Request body that adds a passkey with a one-time link. */
export const LinkPasskey = z
  .strictObject({ secret: linkSecret, ...person, name: passkeyName, attempt, credential })
  .meta({ id: 'LinkPasskey' });

const port = z.int().min(1024).max(65_535).describe('Port of the command line on 127.0.0.1');
const verifierText = 'Code verifier of PKCE (RFC 7636, section 4.1): a secret that only the command line knows';

/** Request body with which a person lets a command line sign in. */
export const AllowCli = z
  .strictObject({
    challenge: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/, 'must be a SHA-256 in base64url')
      .describe('Code challenge of PKCE (RFC 7636), method S256'),
    port,
    host: text(80, 1).describe('Name of the host that the command line runs on, as it says'),
  })
  .meta({ id: 'AllowCli' });

/** A one-time code for a command line. Answers carry it once. */
export const CliCode = z
  .object({
    code: secret(z.string().describe('One-time code; it works only with the verifier of the challenge')),
    expiresAt: timestamp,
  })
  .meta({ id: 'CliCode' });

/** Request body with which a command line signs in. */
export const CliSignIn = z
  .strictObject({
    code: z.string().min(20).max(100),
    verifier: z
      .string()
      .regex(/^[A-Za-z0-9._~-]{43,128}$/, 'must be 43 to 128 letters, digits and -._~')
      .describe(verifierText),
    port,
  })
  .meta({ id: 'CliSignIn' });

/** The session of a command line. */
export const CliSession = z
  .object({
    token: secret(z.string().describe('Send it as “Authorization: Bearer”. It is shown only now')),
    expiresAt: timestamp.describe('Latest time at which the session ends'),
  })
  .meta({ id: 'CliSession' });

/** The signed-in person. */
export const Me = z
  .object({
    id,
    email: z.string(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    role: roleType.describe('Effective role: the highest role of the user, or else of the user’s groups'),
    isOwner: z.boolean(),
    tenant: z.object({ id: z.string(), name: z.string(), slug: z.string() }),
    session: z.object({
      id,
      expiresAt: timestamp.describe('Latest time at which the session ends'),
      freshUntil: timestamp.optional().describe('Time until which the sign-in counts as fresh; left out afterwards'),
    }),
  })
  .meta({ id: 'Me' });
export type Me = z.infer<typeof Me>;

/** Request body that changes the account of the signed-in person. */
export const UpdateMe = z
  .strictObject({ firstName: text(120).nullish(), lastName: text(120).nullish() })
  .meta({ id: 'UpdateMe' });

/** A sign-in session as answers carry it. */
export const Session = z
  .object({
    id,
    createdAt: timestamp,
    lastSeenAt: timestamp,
    expiresAt: timestamp,
    method: z.enum(['PASSWORD', 'PASSKEY', 'LINK', 'PROVIDER']),
    client: z.string().describe('Browser and operating system, as reported by the browser'),
    sourceIp: z.string().optional(),
    current: z.boolean().describe('Whether this request belongs to the session'),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

/** Sign-in sessions of one person. */
export const Sessions = z.array(Session);

/** A sign-in method of a person. */
export const SignInMethod = z
  .object({
    id,
    kind: z.enum(['PASSWORD', 'PASSKEY', 'TOTP', 'RECOVERY_CODES', 'PROVIDER']),
    name: z.string().describe('Name of the passkey or provider'),
    account: z.string().optional().describe('Account at the provider'),
    createdAt: timestamp,
    lastUsedAt: timestamp.optional(),
    left: z.int().optional().describe('Number of unused recovery codes'),
    backedUp: z.boolean().optional().describe('Whether the passkey is synchronised between devices'),
  })
  .meta({ id: 'SignInMethod' });
export type SignInMethod = z.infer<typeof SignInMethod>;

/** All sign-in methods of a person. */
export const SignInMethods = z.array(SignInMethod);

/** Request body that sets or changes a password. */
export const SetPassword = z.strictObject({ password: newPassword }).meta({ id: 'SetPassword' });

/** Request body that adds a passkey. */
export const AddPasskey = z.strictObject({ attempt, credential, name: passkeyName }).meta({ id: 'AddPasskey' });

/** A secret for an authenticator app. It takes effect after the person confirms it with a code. */
export const TotpOffer = z
  .object({
    attempt: z.string(),
    secret: secret(z.string().describe('Secret in base 32, for typing')),
    url: secret(z.string().describe('otpauth:// URL, for a QR code')),
  })
  .meta({ id: 'TotpOffer' });

/** Request body that confirms a time-based code (RFC 6238). */
export const ConfirmTotp = z.strictObject({ attempt, code: secondFactorCode }).meta({ id: 'ConfirmTotp' });

/** Recovery codes. Only the answer that creates them has them. */
export const RecoveryCodes = z
  .object({ codes: secret(z.array(z.string()).describe('Codes for one sign-in each. They are shown only once')) })
  .meta({ id: 'RecoveryCodes' });

/** Ways to sign in that a tenant allows. PROVIDER: through its OpenID Connect providers. */
export const signInWay = z.enum(['PASSWORD', 'PASSKEY', 'PROVIDER']);

/** Whether a second factor is required. */
export const secondFactor = z.enum(['OPTIONAL', 'REQUIRED']);
/** Kinds of notices that people get by mail about their own accounts. */
export const noticeKind = z.enum(['METHODS', 'SESSIONS']);
const notices =
  'Mail to people about their own accounts. METHODS: new and removed sign-in methods; SESSIONS: sign-ins from a new place';
const settings = {
  slug: slug.optional().describe('Short name of the tenant at sign-in'),
  methods: list(signInWay, 3).min(1).optional().describe('Allowed sign-in methods of the tenant'),
  secondFactor: secondFactor
    .optional()
    .describe('REQUIRED: a password needs a second factor; a passkey counts as both; a provider must assure it'),
  idleMinutes: z.int().min(5).max(43_200).optional().describe('Minutes without a request after which a session ends'),
  absoluteHours: z.int().min(1).max(2160).optional().describe('Maximum duration of a session, in hours'),
  notices: list(noticeKind, 2).optional().describe(notices),
};

/** Request body that changes the sign-in settings of the tenant. */
export const UpdateSignInSettings = z.strictObject(settings).meta({ id: 'UpdateSignInSettings' });

/** Sign-in settings of the tenant as answers carry them. */
export const SignInSettings = z
  .object({
    slug: z.string(),
    methods: z.array(signInWay),
    secondFactor,
    idleMinutes: z.int(),
    absoluteHours: z.int(),
    notices: z.array(noticeKind).describe(notices),
  })
  .meta({ id: 'SignInSettings' });
export type SignInSettings = z.infer<typeof SignInSettings>;
