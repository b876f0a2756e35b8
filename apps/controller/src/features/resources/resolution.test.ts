import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makers } from '../../testing/api.ts';
import { absent } from '../../testing/channel.ts';
import { openTestApp } from '../../testing/harness.ts';

test('a name that does not resolve shows at its resource, with the answer, for each gateway', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const web = await make.protocol('80');
  const berlin = await make.gateway('Berlin');
  const paris = await make.gateway('Paris');
  const names = ['wiki.corp.example', 'docs.corp.example'];
  const made = await make.resource(
    'Wiki',
    names.map((address) => ({ address, protocols: [web.id] })),
  );
  const path = `/tenants/resources/${made.id}`;
  const gateways = [berlin.id, paris.id];
  await app.request('PUT', `${path}/load-balancing`, { body: { loadBalancingMode: 'MANUAL', gateways } });
  const [wiki, docs] = made.addresses as { id: string }[];
  const read = async () => (await app.request('GET', path)).json;
  const listed = async () =>
    (await app.request('GET', '/tenants/resources?fields=summary')).json.data.find(
      ({ id }: { id: string }) => id === made.id,
    );
  const says = (gateway: string, results: readonly (readonly [string | undefined, string | null])[]) =>
    app.channel.show(gateway, {
      ...absent,
      probes: new Map(
        results.map(([id = '', fault]) => {
          const detail = fault ?? 'it has the address 10.0.0.1';
          return [id, { id, resource: made.id, reachable: fault === null, detail }];
        }),
      ),
    });
  const before = await read();
  assert.deepEqual([before.names, before.unreachableReason], [undefined, undefined]);
  says(berlin.id, [
    [wiki?.id, null],
    [docs?.id, 'The resolver says that docs.corp.example does not exist'],
    ['another', 'of another resource'],
  ]);
  const { names: reports, unreachableReason } = await read();
  assert.deepEqual(reports, [
    {
      ...{ address: 'docs.corp.example', gateway: { id: berlin.id, name: 'Berlin' }, resolves: false },
      answer: 'The resolver says that docs.corp.example does not exist',
    },
    {
      ...{ address: 'wiki.corp.example', gateway: { id: berlin.id, name: 'Berlin' }, resolves: true },
      answer: 'it has the address 10.0.0.1',
    },
  ]);
  assert.equal(unreachableReason, undefined, 'one name resolves');
  for (const id of gateways)
    says(
      id,
      [wiki, docs].map((address) => [address?.id, 'no resolver answers']),
    );
  assert.equal((await read()).names.length, 4);
  assert.equal((await read()).unreachableReason, 'None of its names resolves: no resolver answers');
  assert.equal((await listed()).unreachableReason, 'None of its names resolves: no resolver answers');
  assert.equal((await listed()).names, undefined);
  const { version: _, ...whole } = await read();
  const written = await app.request('PUT', path, { body: whole });
  assert.equal(written.status, 200, 'what was read can be written back');
});
