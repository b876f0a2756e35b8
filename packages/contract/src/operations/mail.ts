import { MailStatus, TestMail, TestMailSent } from '../http/mail.ts';
import { define, noQuery } from './define.ts';

/** Operations of the HTTP API that are about the mail of the controller. */
export const mailOperations = define({
  getMailStatus: {
    method: 'GET',
    path: '/tenants/mail',
    tag: 'Settings',
    right: 'audit',
    summary: 'Get whether the controller sends mail, and the newest mails with their outcome',
    query: noQuery,
    status: 200,
    response: MailStatus,
  },
  sendTestMail: {
    method: 'POST',
    path: '/tenants/mail/test',
    tag: 'Settings',
    right: 'own',
    fresh: true,
    summary: 'Send a test mail to a user now; the answer comes when the mail server has taken it',
    query: noQuery,
    body: TestMail,
    status: 200,
    response: TestMailSent,
    failures: ['mail_off', 'mail_failed', 'invalid_reference'],
  },
});
