import type { MailResult } from '@sallyport/contract';
import type { Row } from '../../db/schema.ts';

/** A mail as the database holds it. */
export type MailRow = Row<'mails'>;

/** What became of a mail, as answers carry it. */
export const mailResult = ({ state, created_at, ended_at, failure }: MailRow): MailResult => ({
  state,
  at: new Date(ended_at ?? created_at).toISOString(),
  ...(failure === null ? {} : { failure }),
});
