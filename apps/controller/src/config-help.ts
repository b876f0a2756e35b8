import { flagOf, settings } from './config.ts';

/** Returns the help of the program: every setting with its default and meaning. */
export function helpText(): string {
  const lines = settings.map(({ name, fallback, meaning, secret }) => {
    const names = secret ? `${name} or ${name}_FILE` : `${flagOf(name)} VALUE, or ${name}`;
    return `  ${names}\n      ${meaning.replaceAll('`', '')} (default: ${fallback.replaceAll('`', '')})`;
  });
  return `The Sallyport controller: API, agent channel and policy decision.\n\nSettings\n${lines.join('\n')}\n\n  --help, --version\n`;
}
