import { z } from 'zod';
import { maskEnrolmentToken } from './channel/token.ts';

/** Name of the mark in the JSON schema, and so in the OpenAPI document. */
const secretMark = 'x-secret';

/** Marks a field of an answer as a secret that gives access. Answers with secrets are never stored. */
export const secret = <T extends z.ZodType>(schema: T): T => schema.meta({ ...schema.meta(), [secretMark]: true });

const isSecret = (schema: z.ZodType): boolean => schema.meta()?.[secretMark] === true;

/** One step down into a schema: the inner schema and its name. */
export interface Part {
  /** Name of the field; null for parts without a name, such as list items. */
  readonly field: string | null;
  readonly schema: z.ZodType;
}

/** Returns the parts of a schema. Throws for an unknown kind of schema, because a secret could hide in it. */
export function partsOf(schema: z.ZodType): Part[] {
  const parts = (schemas: readonly unknown[]) => schemas.map((part) => ({ field: null, schema: part as z.ZodType }));
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape).map(([field, part]) => ({ field, schema: part as z.ZodType }));
  if (schema instanceof z.ZodArray) return parts([schema.element]);
  if (schema instanceof z.ZodRecord) return parts([schema.keyType, schema.valueType]);
  if (schema instanceof z.ZodUnion) return parts(schema.options);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return parts([schema.unwrap()]);
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return parts([schema.unwrap()]);
  if (schema instanceof z.ZodPipe) return parts([schema.in, schema.out]);
  if (leaves.some((leaf) => schema instanceof leaf)) return [];
  throw new Error(`cannot search for secrets in a schema of the kind ${schema.def.type}`);
}

const leaves = [
  z.ZodString,
  z.ZodStringFormat,
  z.ZodNumber,
  z.ZodBoolean,
  z.ZodEnum,
  z.ZodLiteral,
  z.ZodNull,
  z.ZodUnknown,
  z.ZodTransform,
];

/**
 * Returns a copy of an answer without its secrets. Optional secret fields are left out. Required ones keep only their
 * public part.
 */
export function withoutSecrets(schema: z.ZodType, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (schema instanceof z.ZodObject) return objectWithout(schema, value as Readonly<Record<string, unknown>>);
  const inside = partsOf(schema);
  const all = (element: unknown) => inside.reduce((left, part) => withoutSecrets(part.schema, left), element);
  if (schema instanceof z.ZodArray) return Array.isArray(value) ? value.map(all) : value;
  if (schema instanceof z.ZodRecord)
    return Object.fromEntries(Object.entries(value).map(([name, element]) => [name, all(element)]));
  return all(value);
}

function objectWithout(schema: z.ZodObject, value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...value };
  for (const { field, schema: part } of partsOf(schema)) {
    if (field === null || kept[field] === undefined) continue;
    if (!holdsMark(part)) kept[field] = withoutSecrets(part, kept[field]);
    else if (part.safeParse(undefined).success) delete kept[field];
    else kept[field] = maskEnrolmentToken(String(kept[field]));
  }
  return kept;
}

/** Returns whether the field is a secret, also inside wrappers such as `optional`. */
export function holdsMark(schema: z.ZodType): boolean {
  return (
    isSecret(schema) || (!(schema instanceof z.ZodObject) && partsOf(schema).some((part) => holdsMark(part.schema)))
  );
}
