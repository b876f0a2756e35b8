import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operations } from '@sallyport/contract';
import { Validator } from '@seriousme/openapi-schema-validator';
import { openTestApp } from '../testing/harness.ts';
import { openApiDocument } from './openapi.ts';

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into freely
const document = (): any => openApiDocument('', '1.2.3');

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(document());
  assert.ok(valid, JSON.stringify(errors));
  assert.match(document().openapi, /^3\.1\./);
});

test('every operation of the contract is in it, under its published name', () => {
  const { paths } = document();
  for (const { path, method, operationId } of Object.values(operations))
    assert.equal(paths[path]?.[method.toLowerCase()]?.operationId, operationId);
});

test('answers may grow, requests may not', () => {
  const { Gateway, CreateGateway } = document().components.schemas;
  assert.equal(Gateway.additionalProperties, undefined);
  assert.equal(CreateGateway.additionalProperties, false);
  assert.deepEqual(Gateway.required.sort(), [
    'autoDiscoverEndpoint',
    'createdAt',
    'deployedOn',
    'id',
    'name',
    'status',
    'token',
    'updatedAt',
    'wireguardPort',
  ]);
});

test('optional query parameters are optional, and filters are there with their fields', () => {
  for (const [path, field] of Object.entries({ resources: 'gateways.id', users: 'status', groups: 'users.id' })) {
    const { parameters } = document().paths[`/tenants/${path}`].get;
    assert.ok(parameters.every(({ required }: { required: boolean }) => !required));
    const filter = parameters.find(({ name }: { name: string }) => name === 'filter');
    assert.ok(filter.description.includes(field), path);
  }
  const { parameters } = document().paths['/tenants/devices'].get;
  assert.ok(parameters.every(({ name }: { name: string }) => name !== 'filter'));
});

test('the viewer is served from here, with everything that it loads', async (t) => {
  const app = await openTestApp(t);
  assert.equal((await app.text('/')).headers.location, '/docs');
  const page = await app.text('/docs');
  assert.equal(page.status, 200);
  assert.doesNotMatch(page.text, /https?:\/\//);
  for (const [, asset = ''] of page.text.matchAll(/(?:src|href)="([^"]+)"/g))
    assert.equal((await app.text(asset)).status, 200, asset);
  assert.match(String(page.headers['content-security-policy']), /default-src 'self'/);
});

test('streams are told by their media type, with the schema of one piece', () => {
  const { paths } = document();
  const content = (path: string) => paths[path].get.responses[200].content;
  const schema = (name: string) => ({ schema: { $ref: `#/components/schemas/${name}` } });
  assert.deepEqual(content('/tenants/access/matrix'), { 'application/x-ndjson': schema('MatrixEntry') });
  assert.deepEqual(content('/tenants/audit-events/export'), { 'application/x-ndjson': schema('AuditEvent') });
  assert.deepEqual(content('/tenants/changes'), { 'text/event-stream': schema('ChangeEvent') });
  const names = paths['/tenants/changes'].get.parameters.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ['since', 'Last-Event-ID']);
});
