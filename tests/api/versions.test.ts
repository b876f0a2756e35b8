import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Operation, operations } from '@sallyport/contract';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { bodiesOf } from './bodies.ts';
import { makeLandscape, placed } from './landscape.ts';
import { publishedOperations } from './reference.ts';

test('an operation takes If-Match exactly if its object has versions under the contract', async (t) => {
  const app = await openTestApp(t);
  const land = await makeLandscape(app);
  for (const [name, operation] of Object.entries<Operation>(operations)) {
    const { method, path, versioned, right } = operation;
    // An API key is refused by these before any version counts.
    if (right === null || right === 'self') continue;
    if (method === 'GET' || (versioned === undefined && path.includes('test-configuration'))) continue;
    const published = publishedOperations.find(([m, p]) => m === method && `/tenants${p}` === path);
    const body = bodyOf(name, published?.[3] ?? null);
    const options = { headers: { 'if-match': '"no such version"' }, ...(body === undefined ? {} : { body }) };
    const answer = await app.request(method, placed(path.replace('/tenants', ''), land), options);
    assert.equal(answer.status === 412, versioned === true, `${name}: ${answer.status} ${answer.text}`);
  }

  function bodyOf(name: string, shape: string | null): object | undefined {
    if (name === 'updateDevice') return { name: 'laptop' };
    if (name === 'updateProvider') return { label: 'Acme' };
    if (name === 'updateTenant') return { name: 'First' };
    return shape === null ? undefined : { ...bodiesOf(land)[shape]?.least };
  }
});
