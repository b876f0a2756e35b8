import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationOf } from './commands/destinations.ts';
import { events, lines } from './stream.ts';
import { pieceOf, problem, startApi } from './testing/api-server.ts';
import { auditEvent, explanation, fixtures, uuid } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

test('an explanation lists the verdict, policies with reasons and conditions, and gateways', async (t) => {
  const api = await startApi(t);
  const outcome = await sally(api, ['access', 'explain', 'anna', '10.0.0.5:443']);
  assert.equal(
    outcome.out,
    `✓ anna → 10.0.0.5 TCP 443: allowed; a policy allows it
  At 2026-11-01 10:00:00Z, until 2026-11-01 18:00:00Z. Resources: intranet
  Policies, in the order of evaluation:
    – PRIVATE 1 lab: does not match; none of its resources
    – PRIVATE 2 guests: skipped; its admission rule is not met
        ✗ groups.exists(g, g == 'Guests')  (groups = ["Engineering"])
    ✓ PRIVATE 3 staff: allows; it allows this destination
        ✓ time.between('08:00', '18:00')  (time.hour = 10)
  Gateways:
    ✓ berlin (ONLINE): chosen; it is the first in order
        ✓ the configuration in force there gives the same answer
    – paris (OFFLINE): not chosen; it is offline
        – the configuration in force there is not known
`,
  );
  assert.deepEqual(api.seen.at(-1)?.body, { device: uuid(51), destination: '10.0.0.5', protocol: 'TCP', port: 443 });
});

test('explain --user checks each device, at the given time, and reports a denial', async (t) => {
  const api = await startApi(t);
  const denied = {
    ...explanation,
    allowed: false,
    reason: 'no policy matches',
    resources: [],
    policies: [],
    gateways: [],
    suggestions: [
      { kind: 'join-group' as const, text: 'Add anna to the group staff', sufficient: true },
      { kind: 'create-resource' as const, text: 'Create a resource', sufficient: false },
    ],
  };
  api.replies.set('explainAccess', () => ({ body: { answers: [explanation, denied] } }));
  const args = ['access', 'explain', '--user', 'anna@example.com', '[fd00::5]', '--at', '2026-12-24T19:00:00+01:00'];
  const outcome = await sally(api, args);
  assert.match(
    outcome.out,
    /^✓ anna [\s\S]*\n\n✗ anna → fd00::5 ICMP: denied; no policy matches\n {2}At [^\n]*00Z\.\n[\s\S]*order of evaluation:\n {4}none\n[\s\S]*\n {2}What would allow it:\n {4}Add anna to the group staff\n {4}Create a resource \(more is needed then\)\n$/,
  );
  assert.deepEqual(api.seen.at(-1)?.body, {
    ...{ user: uuid(111), destination: 'fd00::5', protocol: 'ICMP', at: '2026-12-24T18:00:00.000Z' },
  });
});

test('explain takes a host name, also one that no resource has', async (t) => {
  const api = await startApi(t);
  const name = { name: 'shop.xn--bcher-kva.example', unicode: 'shop.b\u00fccher.example', virtualAddresses: [] };
  const gateways = explanation.gateways.map((one) => ({ ...one, resolution: 'shop has the address 10.0.0.7' }));
  const answers = [{ ...explanation, gateways, name: { ...name, wildcards: ['*.xn--bcher-kva.example'] } }];
  api.replies.set('explainAccess', () => ({ body: { answers } }));
  const outcome = await sally(api, ['access', 'explain', 'anna', 'Shop.b\u00fccher.example:443']);
  assert.equal(outcome.code, 0, outcome.err);
  assert.deepEqual(api.seen.at(-1)?.body, {
    ...{ device: uuid(51), destination: name.name, protocol: 'TCP', port: 443 },
  });
  assert.match(
    outcome.out,
    /Name: shop\.b\u00fccher\.example \(shop\.xn--\S+\); no virtual address yet; covered by \*\./,
  );
  assert.match(outcome.out, /– shop has the address 10\.0\.0\.7/);
  assert.notEqual((await sally(api, ['access', 'explain', 'anna', 'no-such-resource'])).code, 0);
});

test('destinations parse in every spelling', () => {
  assert.deepEqual(destinationOf('10.0.0.5', { port: '53', protocol: 'UDP' }), {
    ...{ destination: '10.0.0.5', protocol: 'UDP', port: 53 },
  });
  assert.deepEqual(destinationOf('fd00::5', {}), { destination: 'fd00::5', protocol: 'ICMP' });
  assert.deepEqual(destinationOf('[fd00::5]:22', {}), { destination: 'fd00::5', protocol: 'TCP', port: 22 });
});

test('the matrix prints a table with names, or the received lines', async (t) => {
  const api = await startApi(t);
  const entry = fixtures.answers.accessMatrix;
  const more = { ...entry, device: { id: uuid(52), name: 'ben' }, user: undefined, validUntil: '2026-11-01T18:00:00Z' };
  const text = pieceOf('ndjson', entry) + pieceOf('ndjson', more);
  api.replies.set('accessMatrix', () => ({ text }));
  const outcome = await sally(api, [
    'access',
    'matrix',
    '--device',
    uuid(51),
    '--device',
    uuid(52),
    '--user',
    'anna@example.com',
  ]);
  assert.equal(outcome.code, 0, outcome.err);
  assert.match(
    outcome.out,
    /anna +anna@example\.com +intranet +staff +berlin +-\nben +- +intranet +staff +berlin +2026-11-01 18:00:00Z\n/,
  );
  const query = api.seen.find(({ operation }) => operation === 'accessMatrix')?.url;
  assert.equal(query, `/tenants/access/matrix?device=${uuid(51)}&device=${uuid(52)}&user=${uuid(111)}`);
  assert.equal((await sally(api, ['access', 'matrix', '--json'])).out, text);
  api.replies.set('accessMatrix', () => ({ text: '' }));
  assert.match((await sally(api, ['access', 'matrix'])).out, /No device can reach any resource/);
});

test('a stream that breaks, is refused or has a wrong type fails instead of giving a short answer', async (t) => {
  const api = await startApi(t);
  const text = pieceOf('ndjson', auditEvent(1));
  api.replies.set('exportAuditEvents', () => ({ text, cut: true }));
  const cut = await sally(api, ['audit', 'export']);
  assert.deepEqual([cut.code, cut.out, /connection broke/.test(cut.err)], [6, text, true]);
  api.replies.set('exportAuditEvents', () => problem(403, 'forbidden'));
  assert.equal((await sally(api, ['audit', 'export'])).code, 4);
  api.replies.set('exportAuditEvents', () => ({ text: '<html>' }));
  assert.deepEqual((await sally(api, ['audit', 'export'])).code, 1);
});

test('audit filters events, exports the whole trail, and reports the first bad event', async (t) => {
  const api = await startApi(t);
  await sally(api, ['audit', 'list', '--from', '7d', '--to', '2026-11-22T00:00:00Z', '--actor', 'ci', '--limit', '5']);
  const query = new URL(api.seen.at(-1)?.url ?? '', api.url).searchParams;
  assert.deepEqual(Object.fromEntries(query), {
    ...{ from: '2026-11-16T12:00:00.000Z', to: '2026-11-22T00:00:00.000Z', actor: 'ci', limit: '5' },
  });
  const intact = await sally(api, ['audit', 'verify']);
  assert.deepEqual([intact.code, /Intact +yes/.test(intact.out)], [0, true]);
  const body = { intact: false, checked: 12, firstBad: '12.0', reason: 'hash does not fit', head: 'x' };
  api.replies.set('verifyAuditEvents', () => ({ body }));
  const broken = await sally(api, ['audit', 'verify']);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /not intact from event 12\.0 on: hash does not fit/);
  const json = await sally(api, ['audit', 'verify', '--json']);
  assert.deepEqual([json.code, JSON.parse(json.out)], [1, body]);
});

test('following changes resumes after a broken connection where it broke', async (t) => {
  const api = await startApi(t);
  const event = (revision: number) => ({ revision, changes: [{ kind: 'group', id: uuid(101), op: 'update' }] });
  const answers = [
    { text: 'id: 17\n\n', cut: true as const },
    { text: `: hello\n\n${pieceOf('sse', event(18), '18')}${pieceOf('sse', event(19), '19')}`, cut: true as const },
    problem(503, 'unavailable'),
    { text: pieceOf('sse', event(20), '20') },
  ];
  api.replies.set('followChanges', () => answers.shift() ?? problem(500, 'internal'));
  const outcome = await sally(api, ['changes', 'follow', '--since', '17', '--limit', '3']);
  assert.equal(outcome.code, 0, outcome.err);
  assert.equal(outcome.out, [18, 19, 20].map((n) => `${n}  update  group ${uuid(101)}\n`).join(''));
  assert.deepEqual(
    api.seen.map(({ url, headers }) => [url, headers['last-event-id']]),
    [
      ['/tenants/changes?since=17', undefined],
      ['/tenants/changes', '17'],
      ['/tenants/changes', '19'],
      ['/tenants/changes', '19'],
    ],
  );
  assert.match(outcome.err, /Resuming after revision 19/);
});

test('following changes ends on a refusal, or when no server ever answered', async (t) => {
  const api = await startApi(t);
  api.replies.set('followChanges', () => problem(403, 'forbidden'));
  assert.equal((await sally(api, ['changes', 'follow'])).code, 4);
  api.replies.set('followChanges', () => problem(503, 'unavailable'));
  assert.equal((await sally(api, ['changes', 'follow'])).code, 6);
  assert.equal(api.seen.length, 2);
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('lines and events are complete for every split into chunks', async () => {
  const text =
    ': comment\r\nid: 7\r\nevent: change\r\ndata: {"a":\r\ndata: 1}\r\n\r\nretry: 5\n\nid: 8\n\ndata:x\n\ndata: cut off';
  for (let size = 1; size <= text.length; size += 1) {
    async function* chunks() {
      for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
    }
    assert.deepEqual(await collect(events(chunks())), [
      { text: '{"a":\n1}', id: '7' },
      { text: undefined, id: '8' },
      { text: 'x', id: '8' },
    ]);
    const all = await collect(lines(chunks()));
    assert.deepEqual([all.length, all.at(-1)?.text], [9, 'data: cut off']);
  }
});
