import { z } from 'zod';
import { secret } from '../secrets.ts';
import { count, id, paginated, timestamp, wholeNumber } from './common.ts';

/** A one-time link to hand over. Only this answer has its secret. */
export const IssuedLink = z
  .object({
    url: secret(z.string().describe('Link to open in a browser; it works once')),
    expiresAt: timestamp,
    mailedTo: z
      .string()
      .optional()
      .describe('Address that the controller mails the link to; left out where it sends no mail'),
    notMailed: z.string().optional().describe('Why the controller does not mail the link, although it sends mail'),
  })
  .meta({ id: 'IssuedLink' });
export type IssuedLink = z.infer<typeof IssuedLink>;

/** State of a mail: it waits for a try, the mail server has taken it, or the controller has given up. */
export const mailState = z.enum(['WAITING', 'SENT', 'FAILED']);

/** What became of a mail. */
export const MailResult = z
  .object({
    state: mailState,
    at: timestamp.describe('Time at which the mail was written, sent or given up'),
    failure: z.string().optional().describe('Why the last try failed'),
  })
  .meta({ id: 'MailResult' });
export type MailResult = z.infer<typeof MailResult>;

/** An invitation that its user has not accepted. */
export const Invitation = z
  .object({
    user: z.object({ id, email: z.string() }),
    status: z.enum(['INVITED', 'EXPIRED']),
    expiresAt: timestamp.describe('Time at which the invitation ends, or has ended'),
    link: z
      .object({ createdAt: timestamp, expiresAt: timestamp, createdBy: z.string().optional() })
      .optional()
      .describe('The link that the user can still use; left out when there is none'),
    mail: MailResult.optional().describe('The newest mail with an invitation; left out when none was written'),
  })
  .meta({ id: 'Invitation' });
export type Invitation = z.infer<typeof Invitation>;

/** A page of invitations. */
export const InvitationPage = paginated(Invitation).meta({ id: 'InvitationPage' });
export type InvitationPage = z.infer<typeof InvitationPage>;

/** Query of the list of invitations. */
export const invitationQuery = z.strictObject({
  limit: count(wholeNumber(1).default(10)).describe('Page size; more than 100 is taken as 100'),
  offset: count(wholeNumber(0).default(0)).describe('Number of items to skip'),
});
