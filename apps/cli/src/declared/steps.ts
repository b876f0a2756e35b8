import type { Client } from '../client.ts';
import { exitCodes, Failure } from '../failure.ts';
import { fieldNames } from './families.ts';
import { type Field, isGiven, Misfit, type RefMap } from './fields.ts';
import type { Family, Live, Match, Problem, Request } from './items.ts';

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

/** What steps are made with. */
export interface Making {
  /** Names for what people read. */
  readonly toNames: RefMap;
  readonly problems: Problem[];
}

/** Makes an object, and gives it what its first write does not take. */
export function createStep<I extends object>(
  family: Family<I>,
  { declared, key }: Match<I>,
  item: I,
  context: Making,
): Step {
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

/** Brings an object to what is wanted; no step when it is there. */
export function updateSteps<I extends object>(
  family: Family<I>,
  { declared }: Match<I>,
  live: Live<I>,
  wanted: I,
  context: Making,
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
  'updateTenant',
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
  { problems }: Making,
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
  { toNames }: Making,
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
