/** The part of JSON Schema 2020-12 that the served document uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema | false>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** The schemas of a document, by name. */
export type Schemas = Readonly<Record<string, Schema>>;

/** Returns the schema itself, or the schema of the document that it refers to. */
export function resolved(schema: Schema, schemas: Schemas): Schema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace('#/components/schemas/', '');
  const found = schemas[name];
  if (found === undefined) throw new Error(`the document has no schema ${name}`);
  return resolved(found, schemas);
}

/** Returns the problems of a value with their places; empty when it is valid. */
export function misfits(value: unknown, given: Schema, schemas: Schemas, place = ''): string[] {
  const schema = resolved(given, schemas);
  for (const keyword of Object.keys(schema)) if (!known.has(keyword)) throw new Error(`unknown keyword ${keyword}`);
  const { anyOf, oneOf, allOf = [] } = schema;
  const fitting = (options: readonly Schema[]) => options.filter((s) => misfits(value, s, schemas, place).length === 0);
  if (anyOf !== undefined && fitting(anyOf).length === 0) return [`${place} fits none of its forms`];
  if (oneOf !== undefined && fitting(oneOf).length !== 1) return [`${place} fits not one of its forms alone`];
  const failed = allOf.flatMap((part) => misfits(value, part, schemas, place));
  if (failed.length > 0) return failed;
  if (schema.const !== undefined && schema.const !== value) return [`${place} is not ${schema.const}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${place} is not in its list`];
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOf(value, type)))
    return [`${place} is not of type ${schema.type}`];
  if (typeof value === 'string') return textMisfits(value, schema, place);
  if (typeof value === 'number') return numberMisfits(value, schema, place);
  if (Array.isArray(value)) return listMisfits(value, schema, schemas, place);
  return typeof value === 'object' && value !== null ? objectMisfits(value, schema, schemas, place) : [];
}

const annotations = ['description', 'default', 'title', 'x-secret'];
const applied = ['$ref', 'type', 'properties', 'required', 'additionalProperties', 'propertyNames', 'items', 'anyOf'];
const bounds = ['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems'];
const known = new Set([...annotations, ...applied, ...bounds, 'oneOf', 'allOf', 'const', 'enum', 'format', 'pattern']);

function isOf(value: unknown, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

const formats: Readonly<Record<string, RegExp>> = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/,
  ipv4: /^\d{1,3}([.]\d{1,3}){3}$/,
  ipv6: /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/,
  'port-range': /^\d+-\d+$/,
  'port-or-range': /^\d+(-\d+)?$/,
  email: /^[^@\s]+@[^@\s]+$/,
};

function textMisfits(value: string, { format, pattern, minLength = 0, maxLength = Infinity }: Schema, place: string) {
  if (value.length < minLength || value.length > maxLength) return [`${place} has the wrong length`];
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) return [`${place} does not match ${pattern}`];
  if (format === undefined) return [];
  const form = formats[format];
  if (form === undefined) throw new Error(`unknown format ${format}`);
  return form.test(value) ? [] : [`${place} is no ${format}`];
}

const numberMisfits = (value: number, { minimum = -Infinity, maximum = Infinity }: Schema, place: string) =>
  value < minimum || value > maximum ? [`${place} is out of range`] : [];

function listMisfits(
  list: readonly unknown[],
  { items, minItems = 0, maxItems }: Schema,
  schemas: Schemas,
  place: string,
) {
  if (list.length < minItems || list.length > (maxItems ?? Infinity)) return [`${place} has the wrong number of items`];
  return items === undefined ? [] : list.flatMap((item, i) => misfits(item, items, schemas, `${place}/${i}`));
}

function objectMisfits(object: object, schema: Schema, schemas: Schemas, place: string): string[] {
  const { properties = {}, required = [], additionalProperties: more = true, propertyNames } = schema;
  const found = required.filter((name) => !Object.hasOwn(object, name)).map((name) => `${place}/${name} is missing`);
  for (const [name, value] of Object.entries(object)) {
    const at = `${place}/${name}`;
    if (propertyNames !== undefined) found.push(...misfits(name, propertyNames, schemas, at));
    const own = Object.hasOwn(properties, name) ? properties[name] : more;
    if (own === false) found.push(`${at} is not known`);
    else if (typeof own === 'object') found.push(...misfits(value, own, schemas, at));
  }
  return found;
}
