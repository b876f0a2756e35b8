import { createHash } from 'node:crypto';
import type { Dice } from './dice.ts';
import { resolved, type Schema, type Schemas } from './json-schema.ts';

/** A parameter of an operation. */
export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

/** An operation of the served document. */
export interface DocumentedOperation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: Content }>>;
}

/** A generated request. */
export interface MadeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Source of requests: the tenant's key, and existing ids by family of the path. */
export interface Material {
  readonly schemas: Schemas;
  /** Text that every free text contains. */
  readonly marker: string;
  readonly ids: ReadonlyMap<string, readonly string[]>;
}

/** Returns a request that is valid under the document. */
export function fittingRequest(dice: Dice, operation: DocumentedOperation, material: Material): MadeRequest {
  const { method, path, parameters, requestBody } = operation;
  const query: [string, string][] = [];
  for (const { name, in: place, schema } of parameters) {
    if (place !== 'query' || !dice.chance(0.3)) continue;
    const filtered = name.startsWith('filter[');
    query.push(filtered ? filter(dice, name, material) : [name, String(fitting(dice, schema, name, material))]);
  }
  const schema = requestBody?.content['application/json']?.schema;
  return {
    method,
    path: path.replaceAll(/([a-z-]+)?\/?\{(\w+)\}/g, (whole, family: string | undefined, name: string) =>
      whole.replace(`{${name}}`, idOf(dice, name === 'id' ? (family ?? '') : `${name.replace('Id', '')}s`, material)),
    ),
    query,
    headers: dice.chance(0.1) ? { 'idempotency-key': `key-${dice.below(1e6)}` } : {},
    ...(schema === undefined ? {} : { body: fitting(dice, schema, '', material) }),
  };
}

function filter(dice: Dice, name: string, { marker, ids }: Material): [string, string] {
  const operator = dice.of(['', '[eq]', '[ne]', '[gt]', '[lte]', '[ilike]', '[in]', '[nin]']);
  return [name + operator, dice.of([marker, '%a%', 'PRIVATE', 'ACTIVE', dice.of(ids.get('users') ?? [''])])];
}

/** Returns a value of a schema. `name` is the field that holds it. */
function fitting(dice: Dice, given: Schema, name: string, material: Material): unknown {
  const form = resolved(given, material.schemas);
  const schema = chosenForm(dice, typeof form.type === 'object' ? { ...form, type: dice.of(form.type) } : form);
  const hinted = hints[name];
  if (hinted !== undefined && schema.type === 'string' && schema.format !== 'uuid') return hinted(dice);
  const options = schema.anyOf ?? schema.oneOf;
  // The first form is the simple one; null and objects in place of ids are rarer.
  if (options !== undefined)
    return fitting(dice, dice.chance(0.8) ? (options[0] ?? {}) : dice.of(options), name, material);
  if (schema.enum !== undefined) return dice.of(schema.enum);
  if (schema.type === 'object') return fittingObject(dice, schema, material, name);
  if (schema.type === 'array') return fittingList(dice, schema, name, material);
  if (schema.type === 'boolean') return dice.chance(0.5);
  if (schema.type === 'null') return null;
  if (schema.type === 'integer' || schema.type === 'number') return (schema.minimum ?? 0) + dice.below(20);
  if (schema.format === 'uuid') return idOf(dice, familyOf[name] ?? name, material);
  if (schema.format === 'date-time')
    return dice.of(['2026-01-15T12:00:00Z', '2099-01-01T00:00:00Z', '2026-03-29T01:30:00Z']);
  if (schema.format === 'email') return `${material.marker}${dice.below(1e6)}@example.com`;
  return schema.type === 'string' ? `${material.marker} ${dice.below(1e6)}` : { a: 1 };
}

/** Returns an object with dependent fields, in one of its forms. */
function chosenForm(dice: Dice, { allOf, oneOf, ...schema }: Schema): Schema {
  if (schema.type !== 'object') return { ...schema, ...(allOf && { allOf }), ...(oneOf && { oneOf }) };
  const forms = [
    ...(allOf ?? []).map((part) => chosenForm(dice, { type: 'object', ...part })),
    ...(oneOf ? [dice.of(oneOf)] : []),
  ];
  return {
    ...schema,
    properties: Object.assign({}, schema.properties, ...forms.map(({ properties }) => properties)),
    required: [...(schema.required ?? []), ...forms.flatMap(({ required = [] }) => required)],
  };
}

function fittingObject(dice: Dice, schema: Schema, material: Material, name: string): Record<string, unknown> {
  const { properties = {}, required = [], additionalProperties: more } = schema;
  const chosen = Object.entries(properties).filter(([key]) => required.includes(key) || dice.chance(0.3));
  const made = Object.fromEntries(
    chosen.flatMap(([key, own]) =>
      own === false ? [] : [[key, fitting(dice, own, key === 'id' ? name : key, material)]],
    ),
  );
  if (typeof more === 'object' && chosen.length === 0)
    made[dice.of(['os', 'level'])] = fitting(dice, more, 'value', material);
  return made;
}

function fittingList(dice: Dice, { items = {}, minItems = 0 }: Schema, name: string, material: Material): unknown[] {
  const length = minItems + dice.below(3);
  return [...new Set(Array.from({ length }, () => fitting(dice, items, name, material)))];
}

function idOf(dice: Dice, family: string, { ids }: Material): string {
  const known = ids.get(family) ?? [];
  return known.length === 0 ? '00000000-0000-4000-8000-000000000000' : dice.of(known);
}

const familyOf: Readonly<Record<string, string>> = {
  rule: 'admission-rules',
  user: 'users',
  device: 'devices',
  resource: 'resources',
  gateway: 'gateways',
  entryGateway: 'gateways',
  groupId: 'groups',
  addedRoles: 'roles',
  removedRoles: 'roles',
};

const hints: Readonly<Record<string, (dice: Dice) => string>> = {
  relayPorts: (dice) => `${40_000 + dice.below(100)}-${41_000 + dice.below(100)}`,
  wireguardPort: (dice) => String(1024 + dice.below(60_000)),
  port: (dice) => dice.of(['443', '53', '5000-5100', String(1 + dice.below(65_535))]),
  endpoint: (dice) => dice.of(['vpn.example.com', '192.0.2.1:51820', '[2001:db8::1]:51820']),
  address: (dice) =>
    dice.of([`10.${dice.below(256)}.0.0/16`, `10.1.2.${dice.below(256)}`, 'app.example.com', '2001:db8::7']),
  destination: (dice) => dice.of(['10.1.2.3', '198.51.100.7', '8.8.8.8', '2001:db8::7']),
  sourceIps: (dice) => dice.of(['192.168.1.0/24', '10.0.0.0/8', '2001:db8::/64']),
  publicKey: (dice) => {
    const bytes = createHash('sha256')
      .update(String(dice.below(1e9)))
      .digest();
    bytes[31] = (bytes[31] ?? 0) & 0x7f;
    return bytes.toString('base64');
  },
  timeZone: (dice) => dice.of(['Europe/Zurich', 'UTC', 'America/New_York']),
  sort: (dice) => dice.of(['name', '-name', 'id:desc', 'createdAt']),
  rule: (dice) =>
    dice.of([
      "user.department == 'Engineering'",
      "source.inCidr('10.0.0.0/8')",
      "time.between('22:00', '06:00')",
      "'Engineering' in groups && posture.compliant == true",
      'device.appVersion',
      'user.',
    ]),
};
