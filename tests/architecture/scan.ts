/** An import or re-export of a module. */
export interface Import {
  specifier: string;
  /** What is imported, as written between the keyword and `from`; empty for `import 'x'` and `import('x')`. */
  clause: string;
  /** Wholly erased by type stripping: `import type …`, `export type … from`. `import { type A }` is not: the module runs. */
  typeOnly: boolean;
  line: number;
}

/** Every import of a TypeScript source, static and dynamic, and every module that it looks up. `source` must be free of syntax errors. */
export function findImports(source: string): Import[] {
  const code = maskText(source);
  const found: Import[] = [];
  for (const pattern of IMPORT_PATTERNS) {
    for (const match of code.matchAll(pattern)) {
      const { type, clause = '' } = match.groups ?? {};
      const start = match.index + match[0].length;
      const end = code.indexOf(source[start - 1] as string, start);
      found.push({
        specifier: source.slice(start, end),
        clause: clause.trim(),
        typeOnly: type !== undefined,
        line: lineAt(source, match.index),
      });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

/** Line number, counted from 1, of an offset. */
export function lineAt(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}

/**
 * The source with comments and the inside of strings, templates and regular expressions blanked, so that what is left
 * is code. Offsets, line breaks and quotes stay; code in `${…}` stays too.
 */
export function maskText(source: string): string {
  const out = [...source.split('')];
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' ';
  };
  // Depths of braces at which an open `${` ends and its template goes on.
  const templates: number[] = [];
  let depth = 0;
  let i = 0;
  while (i < source.length) {
    const char = source[i] as string;
    const end = endOfText(source, i, out);
    if (end !== undefined) {
      const isComment = char === '/' && (source[i + 1] === '/' || source[i + 1] === '*');
      blank(isComment ? i : i + 1, isComment ? end : end - 1);
      i = end;
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop();
      const stop = endOfTemplatePart(source, i + 1);
      blank(i + 1, stop);
      if (source[stop] === '$') {
        templates.push(depth);
        i = stop + 2;
      } else i = stop + 1;
    } else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      i++;
    }
  }
  return out.join('');
}

const IMPORT_PATTERNS = [
  /(?<![\w$.])import\s*['"]/g,
  /(?<![\w$.])import\s*\(\s*['"]/g,
  /(?<![\w$.])import\.meta\.resolve\s*\(\s*['"]/g,
  /(?<![\w$.])import(?![\w$])\s*(?<type>type\b(?!\s*from\b))?(?<clause>[\w$\s{},*]+?)\s*\bfrom\s*['"]/g,
  /(?<![\w$.])export\s*(?<type>type\s*)?(?<clause>\*(?:\s*as\s+[\w$]+)?|\{[\w$\s,]*\})\s*from\s*['"]/g,
];

/** Where the comment, string or regular expression that starts at `i` ends; undefined when none starts there. */
function endOfText(source: string, i: number, masked: string[]): number | undefined {
  const two = source.slice(i, i + 2);
  if (two === '//') return orEnd(source, source.indexOf('\n', i));
  if (two === '/*') return orEnd(source, source.indexOf('*/', i + 2) + 2, 1);
  const char = source[i];
  if (char === "'" || char === '"') return endOfString(source, i, char);
  if (char === '/' && startsRegex(masked, i)) return endOfRegex(source, i);
  return undefined;
}

const orEnd = (source: string, offset: number, least = 0): number => (offset <= least ? source.length : offset);

function endOfString(source: string, start: number, quote: string): number {
  let i = start + 1;
  while (i < source.length && source[i] !== quote && source[i] !== '\n') i += source[i] === '\\' ? 2 : 1;
  return i + 1;
}

function endOfRegex(source: string, start: number): number {
  let inClass = false;
  let i = start + 1;
  while (i < source.length && (inClass || source[i] !== '/')) {
    if (source[i] === '[') inClass = true;
    if (source[i] === ']') inClass = false;
    i += source[i] === '\\' ? 2 : 1;
  }
  return i + 1;
}

/** A slash divides after a value, and starts a regular expression after anything else. */
function startsRegex(masked: string[], i: number): boolean {
  const before = masked
    .slice(Math.max(0, i - 80), i)
    .join('')
    .trimEnd();
  const word = /[\w$]+$/.exec(before)?.[0];
  if (word) return /^(return|typeof|case|in|of|delete|void|throw|new|do|else|await|yield)$/.test(word);
  return !/[)\]}'"`]$/.test(before);
}

/** Offset of the closing backtick, or of the `${` that comes before it. */
function endOfTemplatePart(source: string, start: number): number {
  let i = start;
  while (i < source.length && source[i] !== '`' && source.slice(i, i + 2) !== '${') i += source[i] === '\\' ? 2 : 1;
  return i;
}
