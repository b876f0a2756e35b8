/** Parses fields of os-release(5): shell-like assignments with quoted or plain values. Ignores other lines. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, unquote(value.trim()));
  }
  return fields;
}

/** Returns the distribution and its version; omits what the file does not say. */
export function distributionOf(text: string): { distribution?: string; osVersion?: string } {
  const fields = parseOsRelease(text);
  const distribution = fields.get('ID') ?? 'linux';
  // Rolling distributions have builds instead of a version.
  const osVersion = fields.get('VERSION_ID') ?? fields.get('BUILD_ID');
  return { distribution, ...(osVersion !== undefined && osVersion !== '' && { osVersion }) };
}

function unquote(text: string): string {
  const [, quote, inside] = /^(["'])(.*)\1$/.exec(text) ?? [];
  if (quote === undefined || inside === undefined) return text;
  return quote === '"' ? inside.replace(/\\(["$`\\])/g, '$1') : inside;
}
