import { z } from 'zod';
import { maskEnrolmentToken } from './channel/token.ts';

/** Name of the mark in the JSON schema, and so in the OpenAPI document. */
const secretMark = 'x-secret';

/** Marks a field of an answer as a secret: whoever has its value may act as somebody. Answers that hold it are never kept. */
export const secret = <T extends z.ZodType>(schema: T): T => schema.meta({ ...schema.meta(), [secretMark]: true });

const isSecret = (schema: z.ZodType): boolean => schema.meta()?.[secretMark] === true;

/** One step down into a schema: what stands below it, and by which name. */
export interface Part {
  /** Name of a field; null for what has none, such as the items of a list. */
  readonly field: string | null;
  readonly schema: z.ZodType;
}

/** What a schema is made of. Throws for a kind of schema that is not known, because a secret could hide in it. */
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
  throw new Error(`no secret can be looked for in a schema of the kind ${schema.def.type}`);
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
 * Returns an answer without its secrets: an optional field is left out, a required one keeps only the part that is no
 * secret. The answer itself stays as it is.
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

/** Whether the field itself is a secret, also behind `optional` and the like. */
export function holdsMark(schema: z.ZodType): boolean {
  return (
    isSecret(schema) || (!(schema instanceof z.ZodObject) && partsOf(schema).some((part) => holdsMark(part.schema)))
  );
}
