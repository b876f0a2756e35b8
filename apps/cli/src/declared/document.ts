import { LineCounter, parseDocument } from 'yaml';
import { usage } from '../failure.ts';
import { isId } from '../ids.ts';
import { clean } from '../text.ts';
import { families, fieldNames } from './families.ts';
import { type Field, isRecord, Misfit, unknown } from './fields.ts';
import { type Declared, type Items, type Problem, type SectionName, sectionNames } from './items.ts';

type Path = readonly (string | number)[];

/** Content of a file. A section that the file omits is absent. */
export type Declaration = { readonly [S in SectionName]?: readonly Declared<Items[S]>[] };

/** Parses a file. Throws a `Failure` that names every wrong line. */
export function parseDeclaration(text: string, file: string): Declaration {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0)
    throw badFile(
      file,
      faults.map(({ message, pos }) => ({ line: counter.linePos(pos[0]).line, message: message.split('\n')[0] ?? '' })),
    );
  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true);
      const range = isRecord(node) && Array.isArray(node.range) ? node.range : undefined;
      if (range !== undefined) return counter.linePos(Number(range[0])).line;
    }
    return 1;
  };
  const problems: Problem[] = [];
  const declaration = readSections(
    document.toJS(),
    (path, message) => problems.push({ line: lineOf(path), message: `${wordsOf(path)}${message}` }),
    lineOf,
  );
  if (problems.length > 0) throw badFile(file, problems);
  return declaration;
}

/** Creates the failure of a file that cannot be applied, with each wrong line and the reason. */
export function badFile(file: string, problems: readonly Problem[]) {
  const sorted = problems.toSorted((a, b) => a.line - b.line);
  const lines = sorted.slice(0, 50).map(({ line, message }) => `  ${file}:${line}: ${clean(message)}`);
  const more = sorted.length > lines.length ? [`  and ${sorted.length - lines.length} more`] : [];
  return usage([`${file} cannot be applied`, ...lines, ...more].join('\n'));
}

type Report = (path: Path, message: string) => void;

function readSections(root: unknown, report: Report, lineOf: (path: Path) => number): Declaration {
  if (root === null || root === undefined) return {};
  if (!isRecord(root)) {
    report([], `the file must be a map of sections: ${sectionNames.join(', ')}`);
    return {};
  }
  for (const key of Object.keys(root))
    if (key !== 'version' && !sectionNames.some((name) => name === key))
      report([key], unknown(key, ['version', ...sectionNames]));
  if (root.version !== undefined && root.version !== 1) report(['version'], 'must be 1');
  const read = <S extends SectionName>(section: S) =>
    Object.hasOwn(root, section) ? { [section]: readSection(section, root[section], report, lineOf) } : {};
  return Object.assign({}, ...sectionNames.map((section) => read(section)));
}

function readSection<S extends SectionName>(
  section: S,
  value: unknown,
  report: Report,
  lineOf: (path: Path) => number,
): Declared<Items[S]>[] {
  if (value === null) return [];
  const { single } = families[section];
  if (single !== true && !Array.isArray(value)) {
    report([section], 'must be a list');
    return [];
  }
  const entries: unknown[] = single === true ? [value] : (value as unknown[]);
  return entries.flatMap((entry, index): Declared<Items[S]>[] => {
    const path = single === true ? [section] : [section, index];
    if (!isRecord(entry)) {
      report(path, 'must be a map of names and values');
      return [];
    }
    const item = readItem(section, entry, (at, message) => report([...path, ...at], message));
    const { id } = entry;
    if (id !== undefined && (typeof id !== 'string' || !isId(id))) report([...path, 'id'], 'must be an id');
    const line = (field?: string) => lineOf(field === undefined ? path : [...path, field]);
    return item === undefined
      ? []
      : [{ item, id: typeof id === 'string' ? id.toLowerCase() : undefined, lineOf: line }];
  });
}

/** Returns undefined after reporting a problem. */
function readItem<S extends SectionName>(
  section: S,
  entry: Readonly<Record<string, unknown>>,
  report: Report,
): Items[S] | undefined {
  const family = families[section];
  const names = fieldNames(family);
  let fits = true;
  const wrong: Report = (path, message) => {
    fits = false;
    report(path, message);
  };
  for (const key of Object.keys(entry))
    if (key !== 'id' && !names.some((name) => name === key)) wrong([key], unknown(key, names));
  const item: Partial<Items[S]> = {};
  for (const name of names) {
    const value = readField(family.fields[name], entry, name, wrong);
    if (value !== undefined) item[name] = value;
  }
  return fits ? (item as Items[S]) : undefined;
}

function readField<T>(
  field: Field<T>,
  entry: Readonly<Record<string, unknown>>,
  name: string,
  wrong: Report,
): T | undefined {
  if (!Object.hasOwn(entry, name)) {
    if (field.absent === 'required') wrong([], `needs ${name}`);
    return typeof field.absent === 'object' ? field.absent.value : undefined;
  }
  try {
    return field.read(entry[name]);
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    wrong([name, ...error.path], error.message);
    return undefined;
  }
}

/** Returns the path of a value as text: `policies[2].users `. */
function wordsOf(path: Path): string {
  const steps = path.map((step, index) =>
    typeof step === 'number' ? `[${step + 1}]` : index === 0 ? step : `.${step}`,
  );
  return steps.length === 0 ? '' : `${steps.join('')} `;
}
