import assert from 'node:assert/strict';
import type { RequestBody } from '@sallyport/contract';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import type { EnrolOutcome } from '../channel/types.ts';
import { publicKeyOf } from './api.ts';
import type { TestApp } from './harness.ts';

/** A key through the API, with the secret that is in it. */
export async function makeKey(app: TestApp, body: RequestBody<'createEnrolmentKey'> = {}) {
  const answer = await app.request('POST', '/tenants/enrolment-keys', { body });
  assert.equal(answer.status, 201, answer.text);
  const token = parseEnrolmentToken(answer.json.key, 'device') ?? assert.fail(answer.json.key);
  return { ...answer.json, secret: token.secret };
}

/** What the directory says to a client with keys of its own that comes with an enrolment key. */
export const enrolWith = (
  app: TestApp,
  key: { readonly id: string; readonly secret: string },
  name = key.id,
): Promise<EnrolOutcome> =>
  app.parts.directory.agents.device.enrol(key.id, key.secret, {
    identityKey: publicKeyOf(`identity of ${name}`),
    wireguardPublicKey: publicKeyOf(name),
    hostname: `host-${name}`,
  });

/** A native device. */
export async function nativeDevice(app: TestApp, name: string, rest: RequestBody<'createEnrolmentKey'> = {}) {
  const key = await makeKey(app, { name, ...rest });
  assert.equal(await enrolWith(app, key, name), 'enrolled');
  return (await app.request('GET', `/tenants/devices/${key.id}`)).json;
}
