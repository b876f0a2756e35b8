import { z } from 'zod';
import { list } from '../bounds.ts';
import { parseAddress } from '../ip.ts';

/**
 * Text without control characters (C0, DEL, C1), line and paragraph separators, or characters that turn the direction of what
 * follows and so make one name look like another. Counted in UTF-16 code units.
 */
export const text = (max: number, min = 0) =>
  z
    .string()
    .min(min)
    .max(max)
    .regex(
      /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/,
      'must not contain control characters',
    )
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode');

export const name = text(120, 1);
export const description = text(1000);
export const id = z.uuid();
export const timestamp = z.iso.datetime().max(40);

/** A field that a request may carry back from an answer. It is not looked at. */
export const ignored = z.unknown();

/** Reference to another object: its id, or the object itself as an answer carries it, so that answers can be written back. */
export const ref = z.union([id, z.object({ id }).transform((object) => object.id)]);

/** UDP port as the published page has it: a decimal string. */
export const portText = z
  .string()
  .regex(/^[1-9][0-9]{0,4}$/, 'must be a port number, 1 to 65535')
  .refine((value) => Number(value) <= 65535, 'must be a port number, 1 to 65535');

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

export const endpoint = z
  .string()
  .max(300)
  .refine((value) => parseEndpoint(value) !== null, 'must be a host name or IP address, with an optional port');

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

/** A whole number in a query: decimal digits and nothing else. */
const count = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value), schema);

/** Query of paged lists. `sort` is repeated or comma-joined, each `field`, `-field`, `field:asc` or `field:desc`. */
export const pageQuery = {
  limit: count(z.int().min(1).default(10)).describe('Page size; more than 100 is taken as 100'),
  offset: count(z.int().min(0).default(0)),
  sort: z
    .preprocess(listOf, list(z.string().max(100), 20))
    .describe('field, -field, field:asc or field:desc; repeated or comma-joined'),
};

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
