/** Fields of os-release(5): shell-like assignments, values quoted or not. Lines that are none are passed over. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, unquote(value.trim()));
  }
  return fields;
}

/** Which distribution it is, and which version; what the file does not say is left out. */
export function distributionOf(text: string): { distribution?: string; osVersion?: string } {
  const fields = parseOsRelease(text);
  const distribution = fields.get('ID') ?? 'linux';
  // Distributions that roll have no version, only builds.
  const osVersion = fields.get('VERSION_ID') ?? fields.get('BUILD_ID');
  return { distribution, ...(osVersion !== undefined && osVersion !== '' && { osVersion }) };
}

function unquote(text: string): string {
  const [, quote, inside] = /^(["'])(.*)\1$/.exec(text) ?? [];
  if (quote === undefined || inside === undefined) return text;
  return quote === '"' ? inside.replace(/\\(["$`\\])/g, '$1') : inside;
}
