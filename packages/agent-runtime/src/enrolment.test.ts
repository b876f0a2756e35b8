import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { formatEnrolmentToken } from '@sallyport/contract/channel';
import { agentOptionsOf, readEnrolment } from './enrolment.ts';
import { UsageError } from './failure.ts';
import { StateDirectory } from './state/directory.ts';
import { readIdentity, tokenHash } from './state/identity.ts';

const token = formatEnrolmentToken({
  role: 'gateway',
  agent: crypto.randomUUID(),
  secret: randomBytes(32).toString('base64url'),
  controllerFingerprint: randomBytes(16).toString('base64url'),
});
const nothing = { argument: null, environmentFile: null, environment: null };
const stdin = () => Readable.from([]);

async function directoryOf(t: TestContext): Promise<StateDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-enrolment-'));
  t.after(() => rm(path, { recursive: true }));
  return StateDirectory.open(path);
}

test('a new identity is stored before anything else, and read again at the next start', async (t) => {
  const directory = await directoryOf(t);
  await assert.rejects(readEnrolment('gateway', directory, nothing, stdin()), UsageError);
  assert.equal(await readIdentity(directory), null);
  const first = await readEnrolment('gateway', directory, { ...nothing, environment: token }, stdin());
  assert.equal(first.token, token);
  assert.deepEqual(await readIdentity(directory), first.identity);
  const second = await readEnrolment('gateway', directory, { ...nothing, environment: token }, stdin());
  assert.deepEqual(second.identity, first.identity);
});

test('an enrolled agent needs no token', async (t) => {
  const directory = await directoryOf(t);
  const enrolment = await readEnrolment('gateway', directory, { ...nothing, environment: token }, stdin());
  const { session, onPinned } = agentOptionsOf(enrolment, '1.2.3');
  assert.deepEqual([session.agentVersion, session.enrolled, session.token?.text], ['1.2.3', false, token]);
  const controllerKey = Buffer.alloc(32, 7).toString('base64');
  await onPinned(controllerKey, null);
  const later = await readEnrolment('gateway', directory, nothing, stdin());
  assert.deepEqual(later.identity, { ...enrolment.identity, controllerKey, enrolledWith: tokenHash(token) });
  assert.equal(agentOptionsOf(later, '1.2.3').session.enrolled, true);
});

test('a key that takes the place of the controller’s is stored beside the one before, and the enrolment stays', async (t) => {
  const directory = await directoryOf(t);
  const enrolment = await readEnrolment('gateway', directory, { ...nothing, environment: token }, stdin());
  const { onPinned } = agentOptionsOf(enrolment, '1.2.3');
  const [first = '', second = '', third = ''] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64'));
  await onPinned(first, null);
  await onPinned(second, first);
  const later = await readEnrolment('gateway', directory, nothing, stdin());
  const stored = { ...enrolment.identity, enrolledWith: tokenHash(token) };
  assert.deepEqual(later.identity, { ...stored, controllerKey: second, earlierControllerKey: first });
  await agentOptionsOf(later, '1.2.3').onPinned(third, second);
  const last = await readEnrolment('gateway', directory, nothing, stdin());
  assert.deepEqual(last.identity, { ...stored, controllerKey: third, earlierControllerKey: second });
  const { session } = agentOptionsOf(last, '1.2.3');
  assert.deepEqual([session.controllerKey, session.earlierControllerKey], [third, second]);
});
