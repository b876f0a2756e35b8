import { z } from 'zod';
import { list } from '../bounds.ts';
import { parseEndpoint } from '../endpoint.ts';

/**
 * Returns a schema of visible text. It rejects control characters (C0, DEL, C1), line and paragraph separators, direction
 * controls, and zero-width characters (U+200B, U+2060, U+FEFF), because these make one name look like another. It allows
 * the joiners U+200C and U+200D, which scripts and emoji need. Lengths are in UTF-16 code units.
 */
export const text = (max: number, min = 0) =>
  z
    .string()
    .min(min)
    .max(max)
    .regex(
      /^[^\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]*$/,
      'must not contain control or invisible characters',
    )
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode');

/** Name of an object: 1 to 120 characters of visible text. */
export const name = text(120, 1);

/** Description of an object: at most 1000 characters of visible text. */
export const description = text(1000);

/** Id of an object: a UUID. */
export const id = z.uuid();

/** Time in an answer: RFC 3339, in UTC. */
export const timestamp = z.iso.datetime().max(40);

/** Time in a request: RFC 3339, with any offset from UTC. */
export const moment = z.iso.datetime({ offset: true }).max(40);

/** Read-only field that a request may repeat from an answer. Its value is ignored. */
export const ignored = z.unknown();

/** Reference to another object: its id, or the object as an answer carries it. Clients can therefore write answers back. */
export const ref = z.union([id, z.object({ id }).transform((object) => object.id)]);

/** Pattern of a port number, 1 to 65535. */
const portPattern = '(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})';

/** UDP port as a decimal string, as in the published API reference. */
export const portText = z.string().regex(new RegExp(`^${portPattern}$`), 'must be a port number, 1 to 65535');

// JSON Schema forms of the values that the checks in this file accept, for the OpenAPI document.
const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const ipv4Pattern = `${octet}([.]${octet}){3}`;
const namePattern = `(?![0-9.]+(:|$))(?=[^:]{1,253}(:|$))${label}([.]${label})*`;
const ipv6Whole = '([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}';
const endpointForms = [
  { pattern: `^${namePattern}(:${portPattern})?$` },
  { pattern: `^${ipv4Pattern}(:${portPattern})?$` },
  { format: 'ipv6' },
  { pattern: `^\\[${ipv6Whole}\\](:${portPattern})?$` },
];

/** Name of a domain in DNS, in ASCII. */
export const domain = z
  .string()
  .max(253)
  .regex(new RegExp(`^(?![0-9.]+$)${label}([.]${label})*$`), 'must be a domain such as corp.example');

/** JSON Schema of an IP address or prefix, for the OpenAPI document. */
export const prefixForms = [
  { format: 'ipv4' },
  { pattern: `^${ipv4Pattern}/(3[0-2]|[12]?[0-9])$` },
  { format: 'ipv6' },
  { pattern: `^${ipv6Whole}/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$` },
];

/** JSON Schema of an IP address, a prefix, a host name or a wildcard, for the OpenAPI document. */
export const addressForms = [
  ...prefixForms,
  { pattern: `^([*]{1,2}[.])?${namePattern}$` },
  // In another script than ASCII. The controller says what it means in ASCII.
  { pattern: '^(?=.*[^\\u0000-\\u007F])[^\\s/:]{1,253}$' },
];

/** JSON Schema: TCP and UDP need a port, ICMP takes none. */
export const portWhereNeeded = [
  { required: ['protocol', 'port'], properties: { protocol: { enum: ['TCP', 'UDP'] } } },
  { required: ['protocol'], properties: { protocol: { enum: ['ICMP'] }, port: false } },
];

/** Host with an optional port, as `parseEndpoint` accepts it. */
export const endpoint = z
  .string()
  .max(300)
  .refine((value) => parseEndpoint(value) !== null, 'must be a host name or IP address, with an optional port')
  .meta({ anyOf: endpointForms });

/** Returns the schema of a page of items. */
export const paginated = <T extends z.ZodType>(item: T) =>
  z.object({
    data: z.array(item),
    total: z.int().describe('Number of items on all pages'),
    page: z.int().describe('Page number from 0: floor(offset / limit)'),
    limit: z.int(),
    hasNext: z.boolean(),
    hasPrevious: z.boolean(),
  });

const listOf = (value: unknown): unknown =>
  value === undefined ? [] : [value].flat().flatMap((v) => (typeof v === 'string' ? v.split(',') : [v]));

/** Reads a whole number from a query: one to fifteen decimal digits. */
export const count = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value), schema);

/** Returns the schema of a whole number in a query, within bounds. */
export const wholeNumber = (least: 0 | 1) => z.int().min(least).max(999_999_999_999_999);

/** Most words of a text that lists are searched for. */
const mostWords = 10;

/** Text that a list is searched for. */
export const searchText = z
  .string()
  .max(200)
  .refine((given) => wordsOf(given).length <= mostWords, `must have at most ${mostWords} words`)
  .optional()
  .describe('Words that each entry shows somewhere: name, addresses, id and the like; letter case does not count');

/** Returns the words of a search. */
export const wordsOf = (given: string): string[] => [...new Set(given.split(/\s+/).filter(Boolean))];

/** `fields=summary`: each entry is what a table shows of it, with counts in place of lists of objects. */
export const summaryFields = z
  .enum(['summary'])
  .optional()
  .describe('summary: only what a table shows, with counts in place of nested objects, and pages of up to 500');

/** Returns the query of a paged list. `sort` takes `field`, `-field`, `field:asc` or `field:desc`, repeated or comma-joined. */
export const pageQuery = (sortFields: readonly string[]) => {
  const fields = sortFields.join('|').replaceAll('.', '[.]');
  return {
    q: searchText,
    fields: summaryFields,
    limit: count(wholeNumber(1).default(10)).describe(
      'Page size; more than 100 (500 with fields=summary) is taken as that',
    ),
    offset: count(wholeNumber(0).default(0)).describe('Number of items to skip'),
    sort: z
      .preprocess(
        listOf,
        list(
          z
            .string()
            .max(100)
            .meta({ pattern: `^(-?(${fields})|(${fields}):(asc|desc))$` }),
          20,
        ),
      )
      .describe('field, -field, field:asc or field:desc; repeated or comma-joined'),
  };
};

/** Operators of filters in queries of lists. */
export const filterOperators = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'ilike', 'in', 'nin'] as const;

/** Operator of a filter in a query of a list. */
export type FilterOperator = (typeof filterOperators)[number];

/** Type of the values of a filter: any text, ids, labels, or the words of a list. Ids and words match only in full. */
export type FilterKind = 'text' | 'id' | 'label' | readonly string[];

/** Filters of a list: each field with the type of its values. */
export type Filters = Readonly<Record<string, FilterKind>>;

/** Maximum length of an `ilike` pattern, in characters. */
export const longestPattern = 200;

/** RFC 9457 problem details with a code of the error catalogue. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    requestId: z.string().optional(),
    errors: z
      .array(
        z.object({
          pointer: z.string(),
          message: z.string(),
          line: z.int().optional().describe('Line within a field of several lines, from 1'),
          column: z.int().optional(),
          hint: z.string().optional(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** Answer of a write with `?dry-run=true`: the changes that the write would make. Nothing is written. */
export const DryRun = z
  .object({
    revision: z
      .int()
      .describe(
        'Revision of the tenant; a write with this plan’s ETag in If-Match is refused when the tenant has changed',
      ),
    changes: z.array(
      z.object({
        action: z.enum(['create', 'update', 'delete', 'attach', 'detach', 'disconnect']),
        kind: z.string(),
        id: z.string(),
        name: z.string().optional(),
      }),
    ),
    gained: z.int().describe('Number of device and resource pairs that gain access'),
    lost: z.int().describe('Number of device and resource pairs that lose access'),
    unchanged: z.int().describe('Number of pairs that keep access, of the devices that the request concerns'),
    samples: z.array(z.object({ change: z.enum(['gained', 'lost']), device: z.string(), resource: z.string() })),
    pairs: z
      .array(
        z.object({
          change: z.enum(['gained', 'lost']),
          device: z.object({ id: z.string(), name: z.string() }),
          user: z.object({ id: z.string(), email: z.string() }).optional().describe('Owner of the device'),
          resource: z.object({ id: z.string(), name: z.string() }),
        }),
      )
      .describe('First 500 pairs that change, lost ones first, with names'),
  })
  .meta({ id: 'DryRun' });
export type DryRun = z.infer<typeof DryRun>;

/** MTU of a tunnel, in bytes. */
export const mtu = z.int().min(576).max(9000);

/** Description of the MTU of gateways and devices, for the OpenAPI document. */
export const ofMtu = 'Largest packet in the tunnel, in bytes; tunnels below 1280 carry no IPv6';
