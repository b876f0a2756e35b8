import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ErrorCode, RequestBody } from '@sallyport/contract';
import type { TestApp, TestTenant } from './harness.ts';

/** A WireGuard public key that belongs to a name. */
export function publicKeyOf(name: string): string {
  const bytes = createHash('sha256').update(name).digest();
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  return bytes.toString('base64');
}

/** Makers of objects through the API, one per kind. They return the object as answered. */
export const makers = (app: TestApp) => {
  const post = (path: string) => async (body: object) => {
    const answer = await app.request('POST', path, { body });
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
  };
  return {
    gateway: (name: string, rest: Partial<RequestBody<'createGateway'>> = {}) =>
      post('/tenants/gateways')({ name, wireguardPort: '51820', ...rest }),
    protocol: (port: string) => post('/tenants/protocols')({ networkProtocols: [{ protocol: 'TCP', port }] }),
    resource: (
      name: string,
      addresses: RequestBody<'createResource'>['addresses'],
      rest: Partial<RequestBody<'createResource'>> = {},
    ) => post('/tenants/resources')({ name, type: 'PRIVATE', addresses, ...rest }),
    device: (name: string, rest: Partial<RequestBody<'createDevice'>> = {}) =>
      post('/tenants/devices')({ name, publicKey: publicKeyOf(name), ...rest }),
    rule: (name: string, rule: string, rest: Partial<RequestBody<'createAdmissionRule'>> = {}) =>
      post('/tenants/admission-rules')({ name, rule, hasTimeConstraint: false, ...rest }),
    user: (email: string, groups: readonly string[] = []) => post('/tenants/users')({ email, groups }),
    group: (name: string, rest: Partial<RequestBody<'createGroup'>> = {}) =>
      post('/tenants/groups')({ name, roles: [], ...rest }),
    policy: (name: string, rest: Partial<RequestBody<'createPolicy'>> = {}) =>
      post('/tenants/policies')({ name, action: true, type: 'PRIVATE', ...rest }),
    attach: async (resource: string, gateways: readonly string[]) => {
      const body = { loadBalancingMode: 'MANUAL', gateways };
      const answer = await app.request('PUT', `/tenants/resources/${resource}/load-balancing`, { body });
      assert.equal(answer.status, 200, answer.text);
      return answer.json;
    },
  };
};

export async function revisionOf(app: TestApp, tenant: TestTenant = app.tenant): Promise<number> {
  const row = await app.store.db
    .selectFrom('tenants')
    .select('revision')
    .where('id', '=', tenant.id)
    .executeTakeFirstOrThrow();
  return row.revision;
}

/** What the newest revision of the first tenant changed, as `operation: kind`, in order. */
export async function lastChanges(app: TestApp): Promise<string[]> {
  const rows = await app.store.db
    .selectFrom('audit_events')
    .selectAll()
    .where('tenant_id', '=', app.tenant.id)
    .where('revision', '=', await revisionOf(app))
    .orderBy('seq')
    .execute();
  return rows.map(({ action, kind }) => `${action}: ${kind}`);
}

/** Asserts that a request is refused with a code, naming these fields, and that nothing changes. */
export async function assertRefused(
  app: TestApp,
  request: Parameters<TestApp['request']>,
  status: number,
  code: ErrorCode,
  pointers?: readonly string[],
): Promise<void> {
  const before = await revisionOf(app);
  const answer = await app.request(...request);
  assert.equal(answer.status, status, `${request[0]} ${request[1]} ${JSON.stringify(request[2])}: ${answer.text}`);
  assert.equal(answer.json.code, code, answer.text);
  if (pointers !== undefined)
    assert.deepEqual(
      answer.json.errors?.map((error: { pointer: string }) => error.pointer),
      pointers,
      answer.text,
    );
  assert.equal(await revisionOf(app), before, 'a refused request changes nothing');
}
