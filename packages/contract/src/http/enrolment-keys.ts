import { z } from 'zod';
import { secret } from '../secrets.ts';
import { id, moment, name, ref, timestamp } from './common.ts';

/** Request body that creates an enrolment key. */
export const CreateEnrolmentKey = z
  .strictObject({
    name: name.nullish().describe('Name of the future device; its host name when left out'),
    user: ref.nullish().describe('Owner of the device; without one it matches `devices` and `allDevices` only'),
    expiresAt: moment.nullish().describe('Time of expiry; in 24 hours when left out, in 30 days at most'),
  })
  .meta({ id: 'CreateEnrolmentKey' });

/** An enrolment key as answers carry it. The secret appears once, on creation. */
export const EnrolmentKey = z
  .object({
    id: id.describe('Id of the key and of the future device'),
    createdAt: timestamp,
    expiresAt: timestamp,
    usedAt: timestamp.optional(),
    name: z.string().optional(),
    user: z.object({ id, email: z.string() }).optional(),
    key: secret(z.string().optional().describe('The key itself; present only in the answer that creates it')),
  })
  .meta({ id: 'EnrolmentKey' });
export type EnrolmentKey = z.infer<typeof EnrolmentKey>;
