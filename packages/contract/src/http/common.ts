import { parseAddress } from '@sallyport/ip';
import { z } from 'zod';
import { list } from '../bounds.ts';

/**
 * Text without control characters (C0, DEL, C1), line and paragraph separators, characters that control the direction of
 * text, or characters without width (U+200B, U+2060, U+FEFF): these make one name look like another. The joiners U+200C and
 * U+200D are allowed, because scripts and emoji need them. Counted in UTF-16 code units.
 */
export const text = (max: number, min = 0) =>
  z
    .string()
    .min(min)
    .max(max)
    .regex(
      /^[^\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]*$/,
      'must not contain control characters or invisible ones',
    )
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode');

/** Name of an object: 1 to 120 characters of visible text. */
export const name = text(120, 1);

/** Description of an object: at most 1000 characters of visible text. */
export const description = text(1000);

/** Id of an object: a UUID. */
export const id = z.uuid();

/** Moment in an answer: RFC 3339, in UTC. */
export const timestamp = z.iso.datetime().max(40);

/** A moment that a client gives: with any offset from UTC. */
export const moment = z.iso.datetime({ offset: true }).max(40);

/** A field that a request may carry back from an answer. It is not looked at. */
export const ignored = z.unknown();

/** Reference to another object: its id, or the object itself as an answer carries it, so that answers can be written back. */
export const ref = z.union([id, z.object({ id }).transform((object) => object.id)]);

/** 1 to 65535. */
const portPattern = '(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})';

/** UDP port as the published page has it: a decimal string. */
export const portText = z.string().regex(new RegExp(`^${portPattern}$`), 'must be a port number, 1 to 65535');

const hostName =
  /^(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** Host and optional port of an endpoint: `vpn.example.com`, `192.0.2.1:51820`, `2001:db8::1`, `[2001:db8::1]:51820`. */
export function parseEndpoint(value: string): { host: string; port: number | null } | null {
  if (parseAddress(value) !== null) return { host: value, port: null };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::([1-9][0-9]{0,4}))?$/.exec(value);
  if (match === null) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && port > 65535) return null;
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined) return parseAddress(host)?.family === 6 ? { host, port } : null;
  // Digits and dots only is a mistyped IPv4 address, not a name.
  if (/^[0-9.]+$/.test(host)) return parseAddress(host)?.family === 4 ? { host, port } : null;
  return hostName.test(host) ? { host, port } : null;
}

// What the checks above and below take, as JSON Schema for the document.
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

/** JSON Schema of an IP address or prefix, for the OpenAPI document. */
export const prefixForms = [
  { format: 'ipv4' },
  { pattern: `^${ipv4Pattern}/(3[0-2]|[12]?[0-9])$` },
  { format: 'ipv6' },
  { pattern: `^${ipv6Whole}/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$` },
];

/** JSON Schema of an IP address, a prefix or a host name, for the OpenAPI document. */
export const addressForms = [...prefixForms, { pattern: `^${namePattern}$` }];

/** TCP and UDP need a port, ICMP takes none. */
export const portWhereNeeded = [
  { required: ['protocol', 'port'], properties: { protocol: { enum: ['TCP', 'UDP'] } } },
  { required: ['protocol'], properties: { protocol: { enum: ['ICMP'] }, port: false } },
];

/** Host with an optional port, as `parseEndpoint` takes it. */
export const endpoint = z
  .string()
  .max(300)
  .refine((value) => parseEndpoint(value) !== null, 'must be a host name or IP address, with an optional port')
  .meta({ anyOf: endpointForms });

/** Returns the schema of a page of items. */
export const paginated = <T extends z.ZodType>(item: T) =>
  z.object({
    data: z.array(item),
    total: z.int().describe('Count over all pages'),
    page: z.int().describe('0-based: floor(offset / limit)'),
    limit: z.int(),
    hasNext: z.boolean(),
    hasPrevious: z.boolean(),
  });

const listOf = (value: unknown): unknown =>
  value === undefined ? [] : [value].flat().flatMap((v) => (typeof v === 'string' ? v.split(',') : [v]));

/** A whole number in a query: one to fifteen decimal digits and nothing else. */
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

/** Query of paged lists. `sort` is repeated or comma-joined, each `field`, `-field`, `field:asc` or `field:desc`. */
export const pageQuery = (sortFields: readonly string[]) => {
  const fields = sortFields.join('|').replaceAll('.', '[.]');
  return {
    q: searchText,
    fields: summaryFields,
    limit: count(wholeNumber(1).default(10)).describe(
      'Page size; more than 100 (500 with fields=summary) is taken as that',
    ),
    offset: count(wholeNumber(0).default(0)).describe('Items to skip'),
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

/** What the values of a filter's field are: any text, ids, or the words of a list. Ids and words are compared whole. */
export type FilterKind = 'text' | 'id' | readonly string[];

/** Filters of a list: the fields that can be filtered, and how. */
export type Filters = Readonly<Record<string, FilterKind>>;

/** Most characters of an `ilike` pattern. */
export const longestPattern = 200;

/** RFC 9457 problem details with the code of our catalogue. */
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
          line: z.int().optional().describe('Place in a field of several lines, from 1'),
          column: z.int().optional(),
          hint: z.string().optional(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** Answer of a write with `?dry-run=true`: what would change, nothing written. */
export const DryRun = z
  .object({
    changes: z.array(
      z.object({
        action: z.enum(['create', 'update', 'delete', 'attach', 'detach', 'disconnect']),
        kind: z.string(),
        id: z.string(),
        name: z.string().optional(),
      }),
    ),
    gained: z.int().describe('Device and resource pairs that gain access'),
    lost: z.int().describe('Device and resource pairs that lose access'),
    samples: z.array(z.object({ change: z.enum(['gained', 'lost']), device: z.string(), resource: z.string() })),
  })
  .meta({ id: 'DryRun' });
export type DryRun = z.infer<typeof DryRun>;

/** Bytes of a packet in a tunnel. */
export const mtu = z.int().min(576).max(9000);

/** Description of the MTU of gateways and devices, for the OpenAPI document. */
export const ofMtu = 'Bytes that a packet in the tunnel may have; below 1280 tunnels carry no IPv6';
