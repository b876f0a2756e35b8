import { z } from 'zod';
import { list } from '../bounds.ts';
import { id } from './common.ts';

/** Most writes of one batch. */
export const mostWrites = 500;

/** Body of a write in a batch. The schema of its own operation checks it, with the bounds of that. */
export const batchBody = z.unknown();

/** One write of a batch, in the form of the request that would make it alone. */
export const BatchWrite = z
  .strictObject({
    method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE']),
    path: z
      .string()
      .max(300)
      .regex(
        /^\/tenants(\/[A-Za-z0-9-]+)+$/,
        'must be a path such as /tenants/devices/{id}/deactivate, without a query',
      )
      .describe('Path of the operation, below the base path and without a query'),
    body: batchBody.optional().describe('Body of the operation, if it takes one'),
    ifMatch: z.string().max(200).optional().describe('ETag that the object must still have'),
  })
  .meta({ id: 'BatchWrite' });
export type BatchWrite = z.infer<typeof BatchWrite>;

/** Request body of `writeBatch`. */
export const Batch = z.strictObject({ writes: list(BatchWrite, mostWrites).min(1) }).meta({ id: 'Batch' });

/** Answer of `writeBatch`: one entry for each write, in order. */
export const BatchAnswer = z
  .object({
    answers: z.array(
      z.object({
        status: z.int().describe('Status that the write alone would have answered'),
        id: id.optional().describe('The object, if the write answers one'),
        etag: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'BatchAnswer' });
export type BatchAnswer = z.infer<typeof BatchAnswer>;
