import type { PolicyType } from '@sallyport/contract';
import type { Client } from '../client.ts';
import { exitCodes, Failure } from '../failure.ts';
import { badFile, type Declaration, type Problem } from './document.ts';
import { nameMap } from './export.ts';
import { families, fieldNames } from './families.ts';
import { type Field, isGiven, Misfit, type RefMap } from './fields.ts';
import { type Family, type Items, type Live, type Request, request, type SectionName, sectionNames } from './items.ts';
import { keyMap, type Match, type Matches, matchAll } from './match.ts';
import { merged } from './order.ts';
import { builtInRule, defaultGroup, type Tenant } from './tenant.ts';
import { wrongFields } from './wrong-fields.ts';

/** One field of a plan, as it stands in a file; undefined: not there. */
export interface Change {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** One thing to do. */
export interface Step {
  readonly action: 'create' | 'update' | 'delete' | 'reorder';
  readonly kind: string;
  readonly name: string;
  /** undefined while it does not exist. */
  readonly id: string | undefined;
  readonly changes: readonly Change[];
  /** `ids` are those of what earlier steps made, by key; a step that makes something adds its own. */
  carryOut(api: Client, ids: Map<string, string>): Promise<void>;
}

interface Context {
  readonly tenant: Tenant;
  readonly matches: Matches;
  readonly problems: Problem[];
  readonly toKeys: RefMap;
  readonly toNames: RefMap;
}

/**
 * What to do so that the tenant is as the file says: nothing when it is. With `prune`, what a section of the file does
 * not name is deleted. Throws a `Failure` with the lines of a file that cannot be applied.
 */
export function planFor(
  declaration: Declaration,
  tenant: Tenant,
  { prune, file }: { prune: boolean; file: string },
): Step[] {
  const problems: Problem[] = [];
  const matches = matchAll(declaration, tenant, problems);
  const gone = prune ? sectionNames.flatMap((section) => unnamed(section, declaration, tenant, matches)) : [];
  const goneIds = new Set(gone.flatMap(({ id }) => id ?? []));
  const names = nameMap(tenant);
  const toNames: RefMap = (target, key) => (key.startsWith('+') ? key.slice(key.indexOf('/') + 1) : names(target, key));
  const context = { tenant, matches, problems, toKeys: keyMap(tenant, matches, goneIds), toNames };
  const steps = sectionNames.flatMap((section) => sectionSteps(section, context));
  if (problems.length > 0) throw badFile(file, problems);
  return [...steps, ...gone.toReversed(), ...reorderSteps(context, goneIds)];
}

/** Steps that delete what a section of the file does not name. */
function unnamed<S extends SectionName>(
  section: S,
  declaration: Declaration,
  tenant: Tenant,
  matches: Matches,
): Step[] {
  if (declaration[section] === undefined) return [];
  const family = families[section];
  const named = new Set(matches[section].map(({ key }) => key));
  const lives: readonly Live<Items[S]>[] = tenant.sections[section];
  return lives
    .filter(({ id, builtIn }) => !builtIn && !named.has(id))
    .map(({ id, item }) => ({
      ...{ action: 'delete', kind: family.word, name: family.nameOf(item), id, changes: [] },
      carryOut: async (api) => void (await family.remove(id).send(api)),
    }));
}

function sectionSteps<S extends SectionName>(section: S, context: Context): Step[] {
  return context.matches[section].flatMap((match: Match<Items[S]>): Step[] => {
    const item = resolved(section, match, context);
    if (item === undefined) return [];
    return match.live === undefined
      ? [createStep(families[section], match, item, context)]
      : updateSteps(families[section], match, match.live, item, context);
  });
}

/** The item with keys for names and with what the tenant fills in; undefined when a reference is wrong. */
function resolved<S extends SectionName>(section: S, match: Match<Items[S]>, context: Context): Items[S] | undefined {
  const { item, lineOf } = match.declared;
  try {
    return completed(withRefs(families[section], item, context.toKeys), context.tenant);
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    context.problems.push({
      line: lineOf(String(error.path[0] ?? '')),
      message: `${section}.${error.path.join('.')}${error.message}`,
    });
    return undefined;
  }
}

/** Everybody is in a group, and every policy has a rule. */
function completed<S extends SectionName>(item: Items[S], tenant: Tenant): Items[S] {
  const group = defaultGroup(tenant);
  if ('email' in item && item.groups.length === 0 && group !== undefined) return { ...item, groups: [group] };
  return 'action' in item && item.rule === '' ? { ...item, rule: builtInRule(tenant) ?? '' } : item;
}

/** The item with each reference in another form. */
export function withRefs<I extends object>(family: Family<I>, item: I, map: RefMap): I {
  const result = { ...item };
  for (const name of fieldNames(family)) {
    const value = item[name];
    if (isGiven(value)) result[name] = mapField(family.fields[name], value, map, name);
  }
  return result;
}

function mapField<T>(field: Field<T>, value: T, map: RefMap, name: string): T {
  try {
    return field.refs(value, map);
  } catch (error) {
    throw error instanceof Misfit ? new Misfit(error.message, [name, ...error.path]) : error;
  }
}

function createStep<I extends object>(family: Family<I>, { declared, key }: Match<I>, item: I, context: Context): Step {
  const title = family.nameOf(item);
  check(
    declared.lineOf(),
    family,
    title,
    withPlaceholders(family, item),
    (i) => [family.create(i), ...family.finish(NO_ID, i)],
    context,
  );
  const changes = fieldNames(family).flatMap((name) =>
    changeOf(family.fields[name], name, undefined, item[name], context),
  );
  return {
    ...{ action: 'create', kind: family.word, name: title, id: undefined, changes },
    async carryOut(api, ids) {
      const made = withRefs(family, item, known(ids));
      const id = idOf((await family.create(made).send(api)).body);
      ids.set(key, id);
      for (const one of family.finish(id, made)) await one.send(api);
    },
  };
}

function updateSteps<I extends object>(
  family: Family<I>,
  { declared }: Match<I>,
  live: Live<I>,
  wanted: I,
  context: Context,
): Step[] {
  const after = { ...live.item, ...wanted };
  const title = family.nameOf(after);
  const changes = fieldNames(family).flatMap((name) =>
    name === 'email' ? [] : changeOf(family.fields[name], name, live.item[name], after[name], context),
  );
  if (changes.length === 0) return [];
  const changed = new Set(fieldNames(family).filter((name) => changes.some(({ field }) => field === name)));
  const fixed = family.fixed.find((name) => changes.some(({ field }) => field === name));
  const line = declared.lineOf(fixed === undefined ? undefined : String(fixed));
  if (fixed !== undefined)
    context.problems.push({
      line,
      message: `${family.word} ${JSON.stringify(title)}: ${String(fixed)} cannot change once it stands; give the object another name`,
    });
  const { id } = live;
  check(
    line,
    family,
    title,
    withPlaceholders(family, after),
    (item) => family.change(id, live.item, item, changed),
    context,
  );
  return [
    {
      ...{ action: 'update', kind: family.word, name: title, id, changes },
      carryOut: async (api, ids) => {
        const etag = await unchanged(api, family, live);
        const requests = family.change(id, live.item, withRefs(family, after, known(ids)), changed);
        for (const [index, one] of requests.entries())
          await one.send(api, index === 0 && CONDITIONAL.has(one.name) ? etag : undefined);
      },
    },
  ];
}

/** Writes of an object itself, which take the entity tag that was read. */
const CONDITIONAL: ReadonlySet<string> = new Set([
  'updateGateway',
  'updateResource',
  'saveLoadBalancing',
  'updateGroup',
  'updateUser',
  'updateAdmissionRule',
  'updatePolicy',
]);

/** Stands for ids that are not known yet, where a body is checked before anything is written. */
const NO_ID = '00000000-0000-4000-8000-000000000000';

const withPlaceholders = <I extends object>(family: Family<I>, item: I): I =>
  withRefs(family, item, (_, key) => (key.startsWith('+') ? NO_ID : key));

function check<I extends object>(
  line: number,
  family: Family<I>,
  title: string,
  item: I,
  requests: (item: I) => readonly Request[],
  { problems }: Context,
): void {
  const messages = new Set(requests(item).flatMap(wrongFields));
  for (const message of messages)
    problems.push({ line, message: `${family.word} ${JSON.stringify(title)}: ${message}` });
}

/** The entity tag of an object that is still as the plan saw it. */
async function unchanged<I extends object>(
  api: Client,
  family: Family<I>,
  planned: Live<I>,
): Promise<string | undefined> {
  const { live, etag } = await family.read(api, planned.id);
  const same = fieldNames(family).every((name) => isSame(family.fields[name], live.item[name], planned.item[name]));
  if (same) return etag;
  throw new Failure(exitCodes.conflict, `It has changed since the plan was made`, {
    hint: 'Run it again for a new plan.',
  });
}

function changeOf<T>(
  field: Field<Exclude<T, undefined>>,
  name: string,
  before: T,
  after: T,
  { toNames }: Context,
): Change[] {
  const shown = (value: T): unknown => (isGiven(value) ? field.write(field.refs(value, toNames)) : undefined);
  const base = before === undefined && typeof field.absent === 'object' ? field.absent.value : before;
  return !isGiven(after) || isSame<T>(field, base as T, after)
    ? []
    : [{ field: name, before: shown(before), after: shown(after) }];
}

function isSame<T>(field: Field<Exclude<T, undefined>>, a: T, b: T): boolean {
  const form = (value: T): string | undefined => (isGiven(value) ? JSON.stringify(field.canonical(value)) : undefined);
  return form(a) === form(b);
}

const known =
  (ids: ReadonlyMap<string, string>): RefMap =>
  (_, key) =>
    ids.get(key) ?? key;

function idOf(body: unknown): string {
  const object: unknown = Array.isArray(body) ? body[0] : body;
  if (typeof object === 'object' && object !== null && 'id' in object && typeof object.id === 'string')
    return object.id;
  throw new TypeError('an answer without an id');
}

function reorderSteps({ tenant, matches }: Context, gone: ReadonlySet<string>): Step[] {
  const lives = tenant.sections.policies;
  const builtIn = new Set(lives.filter((live) => live.builtIn).map(({ id }) => id));
  const types = new Set(matches.policies.map(({ declared }) => declared.item.type));
  return [...types].flatMap((type): Step[] => {
    const present = lives.filter((live) => live.item.type === type && !builtIn.has(live.id) && !gone.has(live.id));
    const ids = present.map(({ id }) => id);
    const wanted = matches.policies.filter(({ declared, key }) => declared.item.type === type && !builtIn.has(key));
    const order = merged(
      ids,
      wanted.map(({ key }) => key),
    );
    const before = [...ids, ...wanted.flatMap(({ key, live }) => (live === undefined ? [key] : []))];
    return order.join() === before.join() ? [] : [reorderStep(type, before, order, nameOfPolicy(lives, wanted))];
  });
}

function nameOfPolicy(lives: Tenant['sections']['policies'], wanted: Matches['policies']): (key: string) => string {
  const names = new Map([
    ...lives.map(({ id, item }) => [id, item.name] as const),
    ...wanted.map(({ key, declared }) => [key, declared.item.name] as const),
  ]);
  return (key) => names.get(key) ?? key;
}

function reorderStep(type: PolicyType, before: string[], after: string[], name: (key: string) => string): Step {
  const changes = [{ field: 'order', before: before.map(name), after: after.map(name) }];
  return {
    ...{ action: 'reorder', kind: 'policies', name: type, id: undefined, changes },
    carryOut: async (api, ids) => {
      const policies = after.map((key) => ids.get(key) ?? key);
      await request('reorderPolicies', { body: { type, policies } }).send(api);
    },
  };
}
