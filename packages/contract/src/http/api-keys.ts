import { z } from 'zod';
import { secret } from '../secrets.ts';
import { id, moment, name, timestamp } from './common.ts';

/** Role types that an API key can have. `operations/define.ts` lists the rights of each. */
export const roleType = z.enum(['OWNER', 'ADMIN', 'DEFAULT', 'BASIC', 'BILLING', 'AUDITOR', 'SUPPORT']);

/** Type of a built-in role. */
export type RoleType = z.infer<typeof roleType>;

/** Request body that creates an API key. */
export const CreateApiKey = z
  .strictObject({
    name,
    role: z
      .enum(['OWNER', 'ADMIN', 'AUDITOR'])
      .default('ADMIN')
      .describe('OWNER and ADMIN may change things, OWNER may manage keys, AUDITOR reads'),
    expiresAt: moment.nullish().describe('Time of expiry; never when left out'),
  })
  .meta({ id: 'CreateApiKey' });

/** An API key as answers carry it. The secret appears once, on creation. */
export const ApiKey = z
  .object({
    id,
    createdAt: timestamp,
    name: z.string(),
    role: roleType,
    prefix: z.string().describe('First characters of the key, to tell keys apart'),
    expiresAt: timestamp.optional(),
    lastUsedAt: timestamp.optional(),
    key: secret(z.string().optional().describe('The key itself; present only in the answer that creates it')),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;
