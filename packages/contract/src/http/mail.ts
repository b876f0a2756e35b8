import { z } from 'zod';
import { id, ref, timestamp } from './common.ts';
import { mailState } from './invitations.ts';

/** A mail that the controller has written to a person. */
export const SentMail = z
  .object({
    id,
    createdAt: timestamp,
    user: z.object({ id, email: z.string() }),
    kind: z.enum(['INVITATION', 'PASSWORD', 'NOTICE']),
    state: mailState,
    endedAt: timestamp.optional().describe('Time at which the mail was sent or given up'),
    nextTryAt: timestamp.optional().describe('Time of the next try of a mail that waits'),
    failure: z.string().optional().describe('Why the last try failed'),
  })
  .meta({ id: 'SentMail' });
export type SentMail = z.infer<typeof SentMail>;

/** Whether the controller sends mail, and what became of the newest mails of the tenant. */
export const MailStatus = z
  .object({
    enabled: z.boolean().describe('Whether the operator has set a mail server'),
    from: z.string().optional().describe('Address that mails come from'),
    problem: z.string().optional().describe('Why the mail server could not be used the last time'),
    mails: z.array(SentMail).describe('The newest 100 mails of the last 30 days, newest first'),
  })
  .meta({ id: 'MailStatus' });
export type MailStatus = z.infer<typeof MailStatus>;

/** Request body that asks for a test mail. */
export const TestMail = z
  .strictObject({ user: ref.nullish().describe('User who gets the mail; the caller when left out') })
  .meta({ id: 'TestMail' });

/** Answer to a test mail that the mail server has taken. */
export const TestMailSent = z.object({ sentTo: z.string() }).meta({ id: 'TestMailSent' });
