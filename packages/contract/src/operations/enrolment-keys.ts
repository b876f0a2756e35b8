import { z } from 'zod';
import { CreateEnrolmentKey, EnrolmentKey } from '../http/enrolment-keys.ts';
import { byId, define, dryRunQuery, noQuery } from './define.ts';

/** Operations of the HTTP API that are about enrolment keys. */
export const enrolmentKeyOperations = define({
  createEnrolmentKey: {
    method: 'POST',
    path: '/tenants/enrolment-keys',
    tag: 'Enrolment keys',
    right: 'write',
    fresh: true,
    summary: 'Create a key that enrols one device once; the key is shown once',
    query: dryRunQuery,
    dryRun: true,
    body: CreateEnrolmentKey,
    status: 201,
    response: EnrolmentKey,
    failures: ['invalid_reference'],
  },
  listEnrolmentKeys: {
    method: 'GET',
    path: '/tenants/enrolment-keys',
    tag: 'Enrolment keys',
    right: 'read',
    summary: 'List enrolment keys of the last 30 days, newest first',
    query: noQuery,
    status: 200,
    response: z.array(EnrolmentKey),
  },
  deleteEnrolmentKey: {
    method: 'DELETE',
    path: '/tenants/enrolment-keys/{id}',
    tag: 'Enrolment keys',
    right: 'write',
    summary: 'Revoke an enrolment key; a device that has used it stays enrolled',
    params: byId,
    query: dryRunQuery,
    dryRun: true,
    status: 204,
  },
});
