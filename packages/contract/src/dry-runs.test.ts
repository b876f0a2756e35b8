import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Operation, type OperationName, operations } from './operations.ts';

/** Operations that are no GET and have no dry run, and why. */
const without: Partial<Record<OperationName, string>> = {
  testGateway: 'it writes nothing',
  explainAccess: 'it writes nothing',
  tryAdmissionRule: 'it writes nothing',
  checkProvider: 'it writes nothing',
  setLiveTopics: 'it chooses what a stream shows',
  explainMyAccess: 'it writes nothing',
  revealGatewayToken: 'it shows a token, and writes only that it did',
  createInvitationLink: 'it makes a link for a person to sign in, and changes no access',
  revokeInvitation: 'it ends such a link',
  resetSignIn: 'it ends how a person signs in, and changes no access of devices',
  endUserSessions: 'it ends sessions in browsers, and changes no access of devices',
  sendTestMail: 'it sends a mail, and changes no object',
  updateMe: 'it changes only the own name',
  addMyDevice: 'a person sees beside it what the own devices reach',
  renameMyDevice: 'a person sees beside it what the own devices reach',
  removeMyDevice: 'a person sees beside it what the own devices reach',
};

const signsIn = ({ path }: Operation): boolean =>
  ['/sign-in/', '/tenants/me/session', '/tenants/me/methods', '/tenants/me/cli-code'].some((own) =>
    path.startsWith(own),
  );

test('every write has a dry run, but for sign-in and those with a reason', () => {
  const missing = (Object.entries(operations) as [OperationName, Operation][])
    .filter(([, operation]) => operation.method !== 'GET' && operation.dryRun !== true && !signsIn(operation))
    .map(([name]) => name)
    .filter((name) => without[name] === undefined);
  assert.deepEqual(missing, [], 'give these a dry run, or a reason above');
});

test('every exception exists and has no dry run', () => {
  for (const name of Object.keys(without) as OperationName[])
    assert.equal((operations[name] as Operation | undefined)?.dryRun ?? 'none', 'none', name);
});
