import { misfits, resolved, type Schema, type Schemas } from './json-schema.ts';
import type { DocumentedOperation, MadeRequest, Parameter } from './request-maker.ts';

/** The served document, as the judge of requests and answers. */
export class ApiDocument {
  readonly operations: readonly DocumentedOperation[];
  readonly schemas: Schemas;
  readonly #responses: Readonly<Record<string, DocumentedOperation['responses'][string]>>;

  // biome-ignore lint/suspicious/noExplicitAny: the document as it was served
  constructor(document: any) {
    const methods = ['get', 'post', 'put', 'patch', 'delete'];
    // biome-ignore lint/suspicious/noExplicitAny: the document as it was served
    this.operations = Object.entries<any>(document.paths).flatMap(([path, item]) =>
      methods
        .filter((method) => item[method])
        .map((method) => ({ path, ...item[method], method: method.toUpperCase() })),
    );
    this.schemas = document.components.schemas;
    this.#responses = document.components.responses;
  }

  /** Returns the operation of a request; a path without parameters counts before one with them. HEAD is that of GET. */
  operationOf({ method, path }: Pick<MadeRequest, 'method' | 'path'>): DocumentedOperation | undefined {
    const of = method === 'HEAD' ? 'GET' : method;
    const fitting = this.operations.filter((operation) => matches(operation.path, path));
    const fixed = fitting.filter((operation) => !operation.path.includes('{'));
    return (fixed.length > 0 ? fixed : fitting).find((operation) => operation.method === of);
  }

  /** Returns the schema of each media type of an answer, or undefined when the operation has no such answer. */
  contentOf(operation: DocumentedOperation, status: number) {
    const given = operation.responses[status];
    const response = given?.$ref === undefined ? given : this.#responses[given.$ref.split('/').at(-1) ?? ''];
    return response === undefined ? undefined : (response.content ?? {});
  }

  /** Returns the problems of a request under the document: unknown parameters, and invalid values. */
  misfitsOf(operation: DocumentedOperation, request: MadeRequest): string[] {
    const query = request.query.flatMap(([name, value]) => this.#queryMisfits(operation, name, value));
    const headers = operation.parameters
      .filter(({ name, in: place }) => place === 'header' && request.headers[name.toLowerCase()] !== undefined)
      .flatMap(({ name, schema }) => misfits(request.headers[name.toLowerCase()], schema, this.schemas, name));
    return [...this.#pathMisfits(operation, request.path), ...query, ...headers];
  }

  #pathMisfits({ path, parameters }: DocumentedOperation, asked: string): string[] {
    const values = asked.split('/');
    return path.split('/').flatMap((part, i) => {
      const parameter = parameters.find(({ name, in: place }) => place === 'path' && part === `{${name}}`);
      return parameter === undefined ? [] : misfits(values[i], parameter.schema, this.schemas, parameter.name);
    });
  }

  #queryMisfits({ parameters }: DocumentedOperation, name: string, value: string): string[] {
    const own = parameters.filter((parameter) => parameter.in === 'query');
    const plain = own.find((parameter) => parameter.name === name);
    if (plain?.schema.type !== 'object' && plain !== undefined)
      return misfits(asParameter(plain, value, this.schemas), plain.schema, this.schemas, name);
    const [, field, operator = 'eq'] = /^(.*?\])(?:\[(.*)\])?$/.exec(name) ?? [];
    const filter = own.find((parameter) => parameter.name === field && parameter.schema.type === 'object');
    if (filter === undefined) return [`${name} is not known`];
    return misfits({ [operator]: value }, filter.schema, this.schemas, field);
  }
}

/** Parses the text of a query parameter as the type of its schema. */
function asParameter({ schema }: Parameter, value: string, schemas: Schemas): unknown {
  const form: Schema = resolved(schema, schemas);
  if (form.type === 'array') return value.split(',');
  return form.type === 'integer' && /^\d+$/.test(value) ? Number(value) : value;
}

const matches = (template: string, path: string): boolean =>
  new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path);
