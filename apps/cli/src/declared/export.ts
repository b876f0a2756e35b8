import { Document, type Scalar, visit } from 'yaml';
import { isId } from '../ids.ts';
import { clean, safeJson } from '../text.ts';
import { families, fieldNames } from './families.ts';
import { type Field, isGiven, type RefMap } from './fields.ts';
import { type Items, type Live, type SectionName, sectionNames } from './items.ts';
import { builtInRule, namedOf, type Tenant } from './tenant.ts';

/** Returns the declared state of a tenant, for `sally apply`. The same tenant gives the same value. */
export function exportedValue(tenant: Tenant): object {
  const names = nameMap(tenant);
  const sections = Object.fromEntries(
    sectionNames.map((section) => {
      const all = sectionOf(tenant, section, names);
      return [section, families[section].single === true ? all[0] : all];
    }),
  );
  return { version: 1, ...sections };
}

/** Returns the declared state of a tenant as a YAML file for `sally apply`. The same tenant gives the same text. */
export function exportTenant(tenant: Tenant): string {
  const document = new Document(exportedValue(tenant));
  document.commentBefore = HEADER;
  visit(document, { Scalar: (_, node) => style(node) });
  return safeJson(document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER }));
}

const HEADER = ` The declared state of a tenant, written by \`sally export\`. Bring a tenant to it with \`sally apply -f FILE\`.

 Others are named; an id stands only where a name is that of several objects. A field that is left out has its default;
 names, department, attributes, picture and device limit of users are left alone. An object that is left out is left
 alone unless --prune is given, and so is a section that is left out. The order of policies is the order of the walk.
 Enrolment tokens, keys, devices and the name of the tenant are not in here.`;

/** Returns the map from ids to names. An id stays when several objects share its name. */
export function nameMap(tenant: Tenant): RefMap {
  const tables = new Map<string, ReadonlyMap<string, string>>();
  return (target, id) => {
    const table = tables.get(target) ?? uniqueNames(namedOf(tenant, target));
    tables.set(target, table);
    return table.get(id) ?? id;
  };
}

function uniqueNames(all: readonly { readonly id: string; readonly name: string }[]): Map<string, string> {
  const times = countOf(all.map(({ name }) => name));
  const unique = all.filter(({ name }) => times.get(name) === 1 && name !== '' && !isId(name));
  return new Map(unique.map(({ id, name }) => [id, name]));
}

function countOf(texts: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const text of texts) times.set(text, (times.get(text) ?? 0) + 1);
  return times;
}

function sectionOf<S extends SectionName>(tenant: Tenant, section: S, names: RefMap): unknown[] {
  const family = families[section];
  const all: readonly Live<Items[S]>[] = tenant.sections[section];
  const times = countOf(all.map(({ item }) => family.keyOf(item)));
  const rows = all
    .filter(({ builtIn }) => family.showsBuiltIn || !builtIn)
    .map((live) => ({ live, key: family.keyOf(live.item), place: placeOf(tenant, live.id) }));
  return rows
    .toSorted((a, b) => compare(a.place, b.place) || compare(a.key, b.key) || compare(a.live.id, b.live.id))
    .map(({ live, key }) => ({
      ...((times.get(key) ?? 0) > 1 ? { id: live.id } : {}),
      ...fileForm(section, live.item, names, builtInRule(tenant)),
    }));
}

const compare = <T extends string | number>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

const TYPES = ['PRIVATE', 'SAAS', 'INTERNET', 'SITETOSITE'];

/** Returns the sort position of a policy: by type, then by order. Everything else has position 0. */
function placeOf({ sections: { policies } }: Tenant, id: string): number {
  const index = policies.findIndex((policy) => policy.id === id);
  const type = policies[index]?.item.type;
  return type === undefined ? 0 : TYPES.indexOf(type) * policies.length + index;
}

/** Returns an item as it is written to a file: with names for ids, and without fields at their default. */
function fileForm<S extends SectionName>(section: S, item: Items[S], names: RefMap, rule: string | undefined) {
  const family = families[section];
  const entries = fieldNames(family).flatMap((name): [string, unknown][] => {
    const value = item[name];
    if (
      !isGiven(value) ||
      family.notExported?.includes(name) ||
      (section === 'policies' && name === 'rule' && value === rule)
    )
      return [];
    const written = writeField(family.fields[name], value, names);
    return written === undefined ? [] : [[name, written]];
  });
  return Object.fromEntries(entries);
}

function writeField<T>(field: Field<T>, value: T, names: RefMap): unknown {
  const canonical = JSON.stringify(field.canonical(value));
  const unsaid = typeof field.absent === 'object' && canonical === JSON.stringify(field.canonical(field.absent.value));
  const nothing = field.absent === 'kept' && (canonical === 'null' || canonical === '[]');
  return unsaid || nothing ? undefined : field.write(field.refs(value, names));
}

/** Keeps the lines of multi-line text, and quotes text that could deceive its reader, so that it can be escaped. */
function style(node: Scalar): void {
  if (typeof node.value !== 'string') return;
  const lines = node.value.replaceAll('\n', '');
  if (clean(lines) !== lines) node.type = 'QUOTE_DOUBLE';
  else if (/\n./s.test(node.value)) node.type = 'BLOCK_LITERAL';
}
