import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ErrorCode,
  errorCatalogue,
  failuresOf,
  filterOperators,
  type Operation,
  operations,
} from '@sallyport/contract';
import { Validator } from '@seriousme/openapi-schema-validator';
import { openTestApp } from '../testing/harness.ts';
import { openApiDocument } from './openapi.ts';

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into freely
type Json = any;

const document = (): Json => openApiDocument('', '1.2.3');

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(document());
  assert.ok(valid, JSON.stringify(errors));
  assert.match(document().openapi, /^3\.1\./);
});

test('every operation of the contract is in it, under its name in the table', () => {
  const { paths } = document();
  for (const [name, { path, method }] of Object.entries(operations))
    assert.equal(paths[path]?.[method.toLowerCase()]?.operationId, name);
});

test('the document is the same each time', () => {
  assert.equal(JSON.stringify(document()), JSON.stringify(document()));
});

test('every failure stands at its own status, with the codes that the operation answers with', () => {
  const { paths, components } = document();
  for (const operation of Object.values<Operation>(operations)) {
    const { responses } = paths[operation.path][operation.method.toLowerCase()];
    const documented = Object.entries<{ $ref?: string }>(responses).flatMap(([status, { $ref = '' }]) => {
      const shared = components.responses[$ref.replace('#/components/responses/', '')];
      const codes: ErrorCode[] = shared?.content['application/problem+json'].schema.allOf[1].properties.code.enum ?? [];
      for (const code of codes) assert.equal(errorCatalogue[code].status, Number(status), code);
      return codes;
    });
    assert.deepEqual(documented.sort(), [...failuresOf(operation)].sort(), operation.path);
    assert.equal(responses.default, undefined, 'no other status is left open');
  }
});

test('every operation, parameter, tag and answer has a text', () => {
  const { paths, tags, info } = document();
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries<Json>(methods as object)) {
      const texts = [operation.summary, operation.description, ...operation.parameters.map((p: Json) => p.description)];
      for (const text of texts) assert.ok(text?.length > 5, `${method} ${path}`);
      assert.ok(tags.some(({ name, description }: Json) => name === operation.tags[0] && description.length > 20));
    }
  assert.ok(info.contact.name !== '' && info.license.identifier === 'Apache-2.0');
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
  for (const [path, field] of Object.entries({
    resources: 'gateways.id',
    users: 'status',
    groups: 'users.id',
    devices: 'kind',
  })) {
    const { parameters } = document().paths[`/tenants/${path}`].get;
    assert.ok(parameters.every(({ required }: { required: boolean }) => !required));
    const filter = parameters.find(({ name }: { name: string }) => name === `filter[${field}]`);
    assert.deepEqual(Object.keys(filter.schema.properties), [...filterOperators], path);
  }
  const { parameters } = document().paths['/tenants/audit-events'].get;
  assert.ok(parameters.every(({ name }: { name: string }) => !name.startsWith('filter')));
});

test('the viewer is served from here, with everything that it loads', async (t) => {
  const app = await openTestApp(t);
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
