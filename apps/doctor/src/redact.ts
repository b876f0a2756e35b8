const gone = '[removed]';

/** Shapes of secrets. Public keys of WireGuard have the shape of private ones, so they go as well. */
const shapes: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, gone],
  // Name and password in an address.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, `$1${gone}@`],
  // Parameters of an address.
  [/([?&#][\w.-]*=)[^\s&"']+/g, `$1${gone}`],
  [/\b(authorization|cookie|set-cookie|apikey|x-api-key)(["']?\s*[:=]\s*).*/gi, `$1$2${gone}`],
  // NAME=value, "name": "value" and name value, when the name says what it is.
  [
    /([\w-]*(?:token|secret|password|passwd|passphrase|private_?key|preshared_?key|api_?key|enrolment_?key|credential)[\w-]*["']?[ \t]*(?:=|:)[ \t]*)("[^"\n]*"|'[^'\n]*'|[^\s,;}]+)/gi,
    `$1${gone}`,
  ],
  [/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=/g, gone],
  // Long runs without spaces: tokens, API keys, hexadecimal keys. Ids (UUIDs) stay.
  [
    /(?<![A-Za-z0-9])(?![0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-]))(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_-]{32,}(?![A-Za-z0-9])/g,
    gone,
  ],
  [/(?<![0-9])[0-9]{40,}(?![0-9])/g, gone],
];

/** Removes the given texts, and everything that has the shape of a secret. */
export function redact(text: string, secrets: readonly string[] = []): string {
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  const known = longestFirst.reduce((rest, secret) => rest.replaceAll(secret, gone), text);
  return shapes.reduce((rest, [shape, instead]) => rest.replace(shape, instead), known);
}

/** Returns the texts in a secret file that are long enough to be secrets: the whole, its lines, and values of JSON. */
export function secretsIn(text: string): string[] {
  const values = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, value = '']) => value);
  const lines = text.split('\n').map((line) => line.trim());
  return [...new Set([...lines, ...values])].filter((value) => value.length >= 12);
}

/** Settings of the controller that are secrets, or hold one. */
const secretNames = /^SALLYPORT_(?:\w*(?:KEY|TOKEN|SECRET|PASSPHRASE|PASSWORD)|SMTP_URL)$/;

/** Returns the secrets in a file of settings: values of secret names, and passwords in addresses. */
export function secretSettings(text: string): string[] {
  const values = [...text.matchAll(/^(\w+)=(.*)$/gm)]
    .filter(([, name = '']) => secretNames.test(name))
    .map(([, , value = '']) => value.trim().replace(/^(["'])(.*)\1$/, '$2'));
  const passwords = values.map((value) => URL.parse(value)?.password ?? '');
  return [...values, ...passwords, ...passwords.map(decoded)].filter((value) => value.length >= 6);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
