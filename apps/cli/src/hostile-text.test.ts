import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Operation, type OperationName, operations } from '@sallyport/contract';
import { ClientStatus } from '@sallyport/contract/local';
import { type ApiServer, pieceOf, problem, startApi } from './testing/api-server.ts';
import { fixtures, uuid } from './testing/fixtures.ts';
import { leafCommands } from './testing/leaves.ts';
import { folder, sally } from './testing/run.ts';

/** Clears the screen, begins a line of its own, turns the direction of text, and hides. */
const HOSTILE = '\u001b[2J\nINJECTED\r\u009b31m\u202e\u2066\u200b\u200d\ufeff\u00ad\u2028\u2029\u007f\u{e0041}';
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** The value with hostile text in every place where the schema of its operation takes it. */
function hostile<T>(schema: Operation['response'], value: T): T {
  let result = value;
  for (const path of textPaths(value)) {
    const tried = withHostileText(result, path) as T;
    if (schema === undefined || schema.safeParse(tried).success) result = tried;
  }
  return result;
}

function textPaths(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value === 'string') return [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, entry]) => textPaths(entry, [...path, key]));
}

function withHostileText(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return `${value}${HOSTILE}`;
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[key] = withHostileText(copy[key], rest);
  return copy;
}

const responseOf = (name: string): Operation['response'] => {
  const operation: Operation = operations[name as OperationName];
  return operation.response;
};

/** Answers every operation with hostile text. Ids and words of a fixed set stay: the schema takes nothing else there. */
async function hostileApi(t: { after(work: () => unknown): void }): Promise<ApiServer> {
  const api = await startApi(t);
  for (const [name, body] of Object.entries(fixtures.answers)) {
    const operation: Operation = operations[name as OperationName];
    // The configuration of a device is checked as a whole before it is used.
    const answer = name === 'getDeviceConfiguration' ? body : hostile(operation.response, body);
    const headers = { etag: '"7"' };
    api.replies.set(name as OperationName, ({ url }) => {
      if (/[?&]dry-run=true/.test(url)) return { body: hostile(undefined, fixtures.dryRun) };
      if (operation.stream !== undefined) return { text: pieceOf(operation.stream, answer) };
      return { status: operation.status, headers, ...(answer === undefined ? {} : { body: answer }) };
    });
  }
  return api;
}

const id = uuid(11);
/** A command line for each command that prints what the controller says. */
const VIEWS: Readonly<Record<string, readonly string[]>> = {
  'gateways list': [],
  'gateways get': [id],
  'gateways create': ['x'],
  'gateways update': [id, '--port', '1'],
  'gateways delete': [id, '--dry-run'],
  'gateways activate': [id],
  'gateways maintenance': [id],
  'gateways offline': [id],
  'gateways enable-relay': [id],
  'gateways disable-relay': [id],
  'gateways rekey': [id],
  'gateways upgrade': [id],
  'gateways cancel-upgrade': [id],
  'gateways test': [id],
  'gateways label': [id, '--remove', 'eu'],
  'resources label': [id, '--add', 'eu'],
  'resources list': [],
  'resources get': [id],
  'resources delete': [id, '--dry-run'],
  'resources create': ['x', '--address', '10.0.0.1', '--protocol', id, '--gateway', id],
  'resources update': [id, '--name', 'x'],
  'resources attach': [id, id],
  'resources order': [id, id],
  'resources detach': [id, id],
  'protocols list': [],
  'protocols get': [id],
  'protocols create': ['x', '--tcp', '1'],
  'protocols delete': [id],
  'addresses list': [],
  'addresses get': [id],
  'addresses gateways': [id],
  'addresses update': [id, '--address', '10.0.0.1'],
  'addresses delete': [id, '--dry-run'],
  'users list': [],
  'users get': [id],
  'users invite': ['x@example.com'],
  'users update': [id, '--department', 'x'],
  'users deactivate': [id],
  'users reactivate': [id],
  'users reinvite': [id],
  'users delete': [id, '--dry-run'],
  'users roles list': [id],
  'users roles add': [id, id],
  'users roles remove': [id, id],
  'users groups add': [id, id],
  'users groups remove': [id, id],
  'groups list': [],
  'groups get': [id],
  'groups create': ['x'],
  'groups update': [id, '--name', 'x'],
  'groups delete': [id, '--dry-run'],
  'roles list': [],
  'roles get': [id],
  'roles users': [id],
  'roles remove': [id, id],
  'devices config': [id],
  'devices list': [],
  'devices get': [id],
  'devices add': ['x', '--public-key', Buffer.alloc(32, 9).toString('base64')],
  'devices update': [id, '--name', 'x'],
  'devices label': [id, '--add', 'eu'],
  'devices deactivate': [id, uuid(52)],
  'devices reactivate': [id],
  'devices delete': [id, '--dry-run'],
  'enrolment-keys list': [],
  'enrolment-keys create': ['--name', 'x'],
  'enrolment-keys delete': [id],
  'policies list': [],
  'policies get': [id],
  'policies delete': [id, '--dry-run'],
  'policies create': ['x', '--allow', '--all-devices', '--all-resources'],
  'policies update': [id, '--name', 'x'],
  'policies reorder': [uuid(62), uuid(61), uuid(63)],
  'policies move': [uuid(62), '--first'],
  'rules list': [],
  'rules get': [id],
  'rules create': ['x', '--rule', 'true'],
  'rules update': [id, '--rule', 'true'],
  'rules delete': [id],
  'rules try': ['--rule', 'true', '--device', id],
  'access explain': [id, '10.0.0.5:443'],
  'access matrix': [],
  'keys list': [],
  'keys create': ['x'],
  'keys delete': [id],
  export: [],
  'audit list': [],
  'audit export': [],
  'audit verify': [],
  'changes follow': ['--limit', '1'],
  watch: ['--limit', '1'],
  'settings get': [],
  'settings set': ['--name', 'x'],
  'providers list': [],
  'providers get': [id],
  'providers create': ['x', '--issuer', 'https://id.example.com', '--client-id', 'x', '--no-secret'],
  'providers update': [id, '--enabled', 'off'],
  'providers delete': [id, '--dry-run'],
  'providers check': [id],
  'settings sign-in get': [],
  'settings mail status': [],
  'settings mail test': [],
  'settings sign-in set': ['--method', 'passkey'],
  'users invitation-link': [id],
  'users invitations': [],
  'users revoke-invitation': [id],
  'users reset-sign-in': [id],
  'users transfer-ownership': [id],
  'users sessions list': [id],
  'users sessions end': [id],
  status: ['--state-dir', '/nonexistent'],
};

/** Print nothing that a controller says, or are checked elsewhere: see the tests below. */
const OTHERS = [
  ...[
    'gateways token',
    'gateways run',
    'gateways status',
    'gateways down',
    'up',
    'down',
    'ping',
    'dns',
    'netcheck',
    'doctor',
    'uninstall',
    'upgrade',
  ],
  ...[
    'login',
    'logout',
    'account show',
    'account name',
    'sessions list',
    'sessions end',
    'methods list',
    'methods remove',
    'apply',
    'controller run',
    'tenants list',
    'tenants create',
    'tenants key',
    'tenants sign-in-link',
    'completion',
    'install-path',
    'operator backup',
    'operator restore',
    'operator copy-database',
    'operator rotate-master-key',
    'operator rotate-signing-key',
    'operator replicas',
  ],
];

test('every command is tested with hostile text, or excluded on purpose', async () => {
  assert.deepEqual([...Object.keys(VIEWS), ...OTHERS].toSorted(), (await leafCommands()).toSorted());
});

test('most answers contain hostile text', () => {
  const changed = Object.entries(fixtures.answers).filter(
    ([name, body]) => body !== undefined && hostile(responseOf(name), body) !== body,
  );
  assert.ok(changed.length > 50, `only ${changed.length} answers take it`);
});

test('hostile text in an answer controls no terminal and starts no line', async (t) => {
  const api = await hostileApi(t);
  for (const [command, args] of Object.entries(VIEWS)) {
    const words = [...command.split(' '), ...args];
    const plain = await sally(api, words);
    assertHarmless(command, `${plain.out}${plain.err}`);
    const coloured = await sally(api, words, { tty: true });
    assertHarmless(
      `${command} on a terminal`,
      `${coloured.out}${coloured.err}`.replace(/\u001b\[[0-9;]+m|\r\u001b\[K/g, ''),
    );
  }
});

test('JSON escapes hostile text and keeps its meaning', async (t) => {
  const api = await hostileApi(t);
  for (const [command, args] of Object.entries(VIEWS)) {
    const { out, err } = await sally(api, [...command.split(' '), ...args, '--json']);
    assertHarmless(`${command} --json`, `${out}${err}`);
    for (const line of out.split('\n').filter((text) => text !== '')) JSON.parse(line);
  }
  const { out } = await sally(api, ['gateways', 'get', id, '--json']);
  const sent = hostile(responseOf('getGateway'), fixtures.answers.getGateway);
  assert.deepEqual(JSON.parse(out), sent);
  assert.ok(sent.name.endsWith(HOSTILE), 'the name is hostile');
});

test('hostile text in a refusal or in a daemon’s status is harmless', async (t) => {
  const api = await startApi(t);
  api.replies.set('deleteGateway', () =>
    problem(409, 'in_use', {
      title: HOSTILE,
      detail: HOSTILE,
      errors: [{ pointer: `/${HOSTILE}`, message: `x${HOSTILE}` }],
    }),
  );
  for (const flags of [[], ['--json']]) {
    const { err } = await sally(api, ['gateways', 'delete', id, ...flags]);
    assertHarmless('a refusal', err);
  }
  api.replies.set('listGateways', () => ({ status: 302, headers: { location: 'https://x/\u009b31m' }, text: HOSTILE }));
  assertHarmless('a foreign answer', (await sally(api, ['gateways', 'list'])).err);
  assertHarmless('what was typed', (await sally(api, ['gateways', 'get', `a${HOSTILE}`])).err);
  assert.doesNotMatch((await sally(api, [`a${HOSTILE}`])).err.replaceAll('\n', ''), DECEPTIVE, 'an unknown command');

  const dir = await folder(t);
  await writeFile(join(dir, 'status.json'), JSON.stringify(hostile(ClientStatus, STATUS)));
  for (const flags of [[], ['--json']]) {
    const { out, err } = await sally(undefined, ['status', '--state-dir', dir, ...flags]);
    assert.match(out, /INJECTED/);
    assertHarmless('the status of a device', `${out}${err}`);
  }
});

function assertHarmless(what: string, text: string): void {
  for (const line of text.split('\n')) {
    assert.doesNotMatch(line, DECEPTIVE, what);
    // Text of several lines, such as a rule, is indented below its heading.
    assert.doesNotMatch(line, /^ {0,3}INJECTED/, what);
  }
}

const STATUS = {
  ...{ version: '0', pid: 7, device: uuid(1), enrolled: true, interface: 'sallyport1', wireguard: 'userspace' },
  ...{ addresses: ['100.64.0.9/32'], controller: { url: 'https://c.example', connected: true, phase: 'live' } },
  ...{ revision: 12, current: true, leaseUntil: '2026-11-24T12:00:00.000Z' },
  error: { code: 'x', message: 'y' },
  notes: ['10.9.0.0/24 is also the network of eth0'],
  gateways: [
    {
      ...{ id: uuid(2), name: 'berlin', addresses: ['100.64.0.1'], standing: 'ACTIVE', path: 'relayed' },
      ...{ relay: { id: 'r', name: 'paris' }, endpoint: '192.0.2.1:52001', rttMs: 12.5 },
      ...{ lastHandshake: '2026-11-23T11:59:00.000Z', rxBytes: 1, txBytes: 2 },
    },
  ],
  routes: [{ prefix: '10.20.0.10', mode: 'MANUAL', gateways: [], carrier: uuid(2), why: 'the first in order' }],
  resources: [
    { id: '1', name: 'wiki', denied: null, routes: ['10.20.0.10'] },
    { id: '2', name: 'payroll', denied: 'no policy allows it', routes: [] },
  ],
  posture: {},
};
