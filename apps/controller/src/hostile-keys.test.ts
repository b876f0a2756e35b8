import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makers, publicKeyOf } from './testing/api.ts';
import { openTestApp } from './testing/harness.ts';

const devices = '/tenants/devices';

test('names with characters that are not seen are refused, and joiners are not', async (t) => {
  const app = await openTestApp(t);
  const create = async (name: string) => {
    const body = { name, publicKey: publicKeyOf('laptop') };
    return (await app.request('POST', devices, { body })).status;
  };
  for (const code of ['061c', '200b', '200e', '200f', '2028', '2029', '202e', '2060', '2066', 'feff'])
    assert.equal(await create(`a${String.fromCodePoint(Number.parseInt(code, 16))}b`), 400, code);
  assert.equal(await create('می\u200cخواهم 👩\u200d💻'), 201);
});

test('a stored name with characters that are refused now is still read', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('laptop');
  await app.store.db.updateTable('devices').set({ name: 'a\u200bb' }).where('id', '=', id).execute();
  const { status, json } = await app.request('GET', `${devices}/${id}`);
  assert.deepEqual([status, json.name], [200, 'a\u200bb']);
});

test('keys that name what all objects inherit are refused, or are keys like others', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('laptop');
  const send = (payload: string) =>
    app.app.server.inject({
      method: 'PATCH',
      url: `${devices}/${id}`,
      headers: { 'content-type': 'application/json', apikey: app.tenant.key },
      payload,
    });
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const before = (await app.request('GET', `${devices}/${id}`)).json.posture;
    for (const body of [
      `{"posture":{"${name}":"x"}}`,
      `{"posture":{"${name}":{"admin":true}}}`,
      `{"${name}":{"a":1}}`,
    ]) {
      const { statusCode } = await send(body);
      assert.ok(statusCode === 400 || statusCode === 200, `${statusCode} ${body}`);
      if (name === '__proto__') assert.equal(statusCode, 400, body);
    }
    const after = (await app.request('GET', `${devices}/${id}`)).json.posture;
    assert.deepEqual(
      Object.keys(after ?? {}).filter((key) => key !== name),
      Object.keys(before ?? {}).filter((key) => key !== name),
    );
    assert.equal(({} as Record<string, unknown>).admin, undefined);
  }
});
