/** What a host installs. */
export type Role = 'gateway' | 'client';

/** Facts that the script is made for. */
export interface ScriptFacts {
  readonly role: Role;
  /** Address of the controller. */
  readonly url: string;
  readonly version: string;
  /** Public release key in PEM. */
  readonly key: string;
}

/**
 * Fills the facts into the template. Each of its first lines like `role='@ROLE@'` gets one fact, quoted for the shell.
 * Throws when the template lacks one, because a script without the release key must never be served.
 */
export function fillScript(template: string, { role, url, version, key }: ScriptFacts): string {
  let text = template;
  for (const [name, value] of Object.entries({ ROLE: role, CONTROLLER: url, VERSION: version, RELEASE_KEY: key })) {
    const place = `'@${name}@'`;
    if (!text.includes(place)) throw new Error(`the template of the install script has no ${place}`);
    text = text.replace(place, () => `'${value.replaceAll("'", "'\\''")}'`);
  }
  return text;
}
