/** A value of a YAML document, as `sally export` has them. */
export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };

/** Returns a section of a file of `sally apply` with one object in it. */
export const sectionYaml = (section: string, item: { readonly [key: string]: Yaml }): string =>
  `version: 1\n${section}:\n${block([item], 1)}`;

/** Writes a list or a map, each entry on lines of its own. */
function block(value: Yaml, depth: number): string {
  const indent = '  '.repeat(depth);
  if (Array.isArray(value))
    return value
      .map((entry: Yaml) => {
        if (isFlat(entry)) return `${indent}- ${scalar(entry)}\n`;
        return `${indent}- ${block(entry, depth + 1).trimStart()}`;
      })
      .join('');
  return Object.entries(value as { readonly [key: string]: Yaml })
    .map(([key, entry]) => {
      if (typeof entry === 'string' && isBlockText(entry)) return `${indent}${scalar(key)}: ${blockText(entry, depth)}`;
      if (isFlat(entry)) return `${indent}${scalar(key)}: ${scalar(entry)}\n`;
      return `${indent}${scalar(key)}:\n${block(entry, depth + 1)}`;
    })
    .join('');
}

const isFlat = (value: Yaml): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0);

const isBlockText = (text: string): boolean =>
  /\n./s.test(text) && !text.endsWith('\n\n') && !isDeceptive(text.replaceAll('\n', ''));

/** Text whose lines stay lines. */
function blockText(text: string, depth: number): string {
  const lines = text.replace(/\n+$/, '').split('\n');
  const ending = text.endsWith('\n') ? '|' : '|-';
  const indicator = /^\s/.test(lines[0] ?? '') ? ending.replace('|', '|2') : ending;
  const indent = '  '.repeat(depth + 1);
  return `${indicator}\n${lines.map((line) => (line === '' ? '' : `${indent}${line}`)).join('\n')}\n`;
}

/** Characters that hide or reorder what stands beside them. */
const isDeceptive = (text: string): boolean =>
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/.test(text);

function scalar(value: Yaml): string {
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object' && value !== null) return '{}';
  if (typeof value !== 'string') return String(value);
  return isPlain(value) ? value : quoted(value);
}

/** Whether a text means itself without quotes: it is no number, no word of YAML and has no sign with a meaning. */
const isPlain = (text: string): boolean =>
  text !== '' &&
  text.trim() === text &&
  !isDeceptive(text) &&
  !/^(~|null|true|false)$/i.test(text) &&
  !/^[-+]?(\d[\d_]*)?\.?\d+([eE][-+]?\d+)?$|^[-+]?\d+\.$|^0[xo][\da-fA-F]+$|^[-+]?\.inf$|^\.nan$/i.test(text) &&
  !/^[\s\-?:,[\]{}#&*!|>'"%@`](\s|$)|^[,[\]{}#&*!|>'"%@`]|: |:$| #|^---|^\.\.\./.test(text);

const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
