import { z } from 'zod';
import { secret } from '../secrets.ts';
import { id, moment, name, ref, timestamp } from './common.ts';

/** Request body that creates an enrolment key. */
export const CreateEnrolmentKey = z
  .strictObject({
    name: name.nullish().describe('Name that the device will have; its host name when left out'),
    user: ref.nullish().describe('Owner of the device; without one it matches `devices` and `allDevices` only'),
    expiresAt: moment.nullish().describe('In 24 hours when left out; 30 days from now at most'),
  })
  .meta({ id: 'CreateEnrolmentKey' });

/** An enrolment key as answers carry it. The secret appears once, on creation. */
export const EnrolmentKey = z
  .object({
    id: id.describe('Also the id that the device will have'),
    createdAt: timestamp,
    expiresAt: timestamp,
    usedAt: timestamp.optional(),
    name: z.string().optional(),
    user: z.object({ id, email: z.string() }).optional(),
    key: secret(z.string().optional().describe('The key itself: only in the answer that creates it')),
  })
  .meta({ id: 'EnrolmentKey' });
export type EnrolmentKey = z.infer<typeof EnrolmentKey>;
