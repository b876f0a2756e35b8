import { z } from 'zod';

/** A JSON object of any shape. */
export type JsonObject = Record<string, unknown>;

/** A reference to a schema of the document. */
export const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

/** Collects schemas with an id, each once. When the forms sent and received differ, the sent one is named `…Input`. */
export class Components {
  readonly #schemas = new Map<string, JsonObject>();

  input(schema: z.ZodType): JsonObject {
    return this.#add(schema, 'input');
  }

  output(schema: z.ZodType): JsonObject {
    return this.#add(schema, 'output');
  }

  /** The schema itself, with nothing taken out. */
  inline(schema: z.ZodType): JsonObject {
    return convert(schema, 'input').root;
  }

  all(): JsonObject {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #add(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
    const { root, definitions } = convert(schema, io);
    for (const [id, definition] of Object.entries(definitions)) {
      const known = this.#schemas.get(id);
      if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition))
        throw new Error(`two schemas are called ${id}`);
      this.#schemas.set(id, definition);
    }
    return root;
  }
}

function convert(
  schema: z.ZodType,
  io: 'input' | 'output',
): { root: JsonObject; definitions: Record<string, JsonObject> } {
  // Wrapped, so that a schema with an id is a reference at the root too.
  const { $defs = {}, properties } = z.toJSONSchema(z.object({ root: schema }), {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // Answers may grow: a client made from this document must not refuse a field that it does not know.
      if (io === 'output') delete jsonSchema.additionalProperties;
      // The pattern of a format repeats it at length, or says less; the bounds of a safe integer say nothing.
      // An e-mail address has to fit both: the format alone allows more than the server does.
      if (jsonSchema.format !== undefined && jsonSchema.format !== 'email') delete jsonSchema.pattern;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      delete jsonSchema.id;
    },
  });
  const moved = JSON.parse(JSON.stringify({ $defs, properties }).replaceAll('#/$defs/', '#/components/schemas/'));
  const root: JsonObject = moved.properties.root;
  const id = typeof root.$ref === 'string' ? root.$ref.split('/').at(-1) : undefined;
  const alone = id !== undefined && schema.meta()?.id === undefined ? (moved.$defs[id] ?? root) : root;
  return { root: alone, definitions: moved.$defs };
}
