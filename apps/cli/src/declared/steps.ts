import type { Client } from '../client.ts';
import { exitCodes, Failure } from '../failure.ts';
import { fieldNames } from './families.ts';
import { type Field, isGiven, Misfit, type RefMap } from './fields.ts';
import type { Family, Live, Match, Problem, Request } from './items.ts';

import { wrongFields } from './wrong-fields.ts';

/** One field of a plan in the form of a file; undefined when the field is absent. */
export interface Change {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** One step of a plan. */
export interface Step {
  readonly action: 'create' | 'update' | 'delete' | 'reorder';
  readonly kind: string;
  readonly name: string;
  /** Undefined until the object exists. */
  readonly id: string | undefined;
  readonly changes: readonly Change[];
  /** `ids` maps keys to the ids of objects that earlier steps created. A step that creates an object adds its id. */
  carryOut(api: Client, ids: Map<string, string>): Promise<void>;
}

/** Context from which steps are built. */
export interface Making {
  /** Returns the name of an object for people. */
  readonly toNames: RefMap;
  readonly problems: Problem[];
}

/** Returns the step that creates an object and completes it with further requests. */
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

/** Returns the steps that bring an object to its declared state; none when nothing differs. */
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
      message: `${family.word} ${JSON.stringify(title)}: ${String(fixed)} cannot change after creation; give the object another name`,
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

/** Returns the writes of the object itself, which carry the entity tag that was read. */
const CONDITIONAL: ReadonlySet<string> = new Set([
  'updateGateway',
  'updateResource',
  'saveLoadBalancing',
  'updateGroup',
  'updateProvider',
  'updateUser',
  'updateAdmissionRule',
  'updatePolicy',
  'updateTenant',
]);

/** Stands for unknown ids while bodies are checked, before any write. */
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

/** Returns the entity tag of an object that is unchanged since the plan was made. */
async function unchanged<I extends object>(
  api: Client,
  family: Family<I>,
  planned: Live<I>,
): Promise<string | undefined> {
  const { live, etag } = await family.read(api, planned.id);
  const same = fieldNames(family).every((name) => isSame(family.fields[name], live.item[name], planned.item[name]));
  if (same) return etag;
  throw new Failure(exitCodes.conflict, `The object has changed since the plan was made`, {
    hint: 'Run the command again for a new plan.',
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

/** Returns the item with each reference converted. */
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
