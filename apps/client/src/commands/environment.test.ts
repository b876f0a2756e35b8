import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daemonEnvironment } from './environment.ts';

test('a daemon inherits no unrelated secrets', () => {
  const needed = { PATH: '/bin', NODE_EXTRA_CA_CERTS: '/ca.pem', SALLYPORT_ENROLMENT_KEY_FILE: '/key' };
  assert.deepEqual(daemonEnvironment({ ...needed, SALLYPORT_API_KEY: 'sk', AWS_SECRET_ACCESS_KEY: 'x' }), needed);
});
