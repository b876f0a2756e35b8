import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayUpgrade, ResponseBody, UpgradeState } from '@sallyport/contract';
import { type ApiServer, problem, startApi } from './testing/api-server.ts';
import { gateway } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

type Gateway = ResponseBody<'getGateway'>;

const upgrade = (state: UpgradeState, reason?: string): GatewayUpgrade => ({
  version: '1.2.3',
  from: '1.2.2',
  state,
  ...(reason !== undefined && { reason }),
  requestedAt: '2026-01-15T12:00:00.000Z',
  changedAt: '2026-01-15T12:00:01.000Z',
});

/** Gateways that the controller upgrades; each reading of one shows its next state. */
function serve(api: ApiServer, fleet: readonly (Gateway & { states: UpgradeState[] })[]): void {
  const found = (url: string) => fleet.find(({ id }) => url.includes(id)) ?? assert.fail(url);
  const shown = ({ states, ...one }: (typeof fleet)[number], next: boolean): Gateway => {
    const state = next && states.length > 1 ? states.shift() : states[0];
    return state === undefined
      ? one
      : { ...one, upgrade: upgrade(state, state === 'RETURNED' ? 'no peer' : undefined) };
  };
  api.replies.set('listGateways', () => ({ body: fleet.map(({ states: _, ...one }) => one) }));
  api.replies.set('getGateway', ({ url }) => ({ body: shown(found(url), true) }));
  api.replies.set('upgradeGateway', ({ url }) => ({ status: 201, body: shown(found(url), false) }));
}

const named = (n: number, name: string, states: UpgradeState[], more: Partial<Gateway> = {}) => ({
  ...gateway(n, name),
  upgrades: 'ALLOWED' as const,
  outdated: true,
  states,
  ...more,
});

test('an upgrade shows its progress and ends with the result', async (t) => {
  const api = await startApi(t);
  serve(api, [named(11, 'berlin', ['QUEUED', 'DOWNLOADING', 'TRIAL', 'DONE'])]);
  const { code, out, err } = await sally(api, ['gateways', 'upgrade', 'berlin', '--to', '1.2.3']);
  assert.deepEqual([code, out], [0, 'berlin: upgraded from 1.2.2 to 1.2.3\n']);
  assert.match(err, /berlin: queued[\s\S]*berlin: trial/);
  assert.deepEqual(api.seen.find(({ operation }) => operation === 'upgradeGateway')?.body, { version: '1.2.3' });
});

test('a gateway that returned gives exit code 1 and the reason', async (t) => {
  const api = await startApi(t);
  serve(api, [named(11, 'berlin', ['ASKED', 'RETURNED'])]);
  const { code, out } = await sally(api, ['gateways', 'upgrade', 'berlin', '--json']);
  assert.equal(code, 1);
  const [berlin] = JSON.parse(out).gateways;
  assert.deepEqual([berlin.name, berlin.state, berlin.reason], ['berlin', 'RETURNED', 'no peer']);
});

test('--all asks only older gateways whose hosts allow it, and says why others are skipped', async (t) => {
  const api = await startApi(t);
  serve(api, [
    named(11, 'berlin', ['DONE']),
    named(12, 'paris', ['DONE'], { outdated: false }),
    named(13, 'rome', ['DONE'], { upgrades: 'NOT_ALLOWED' }),
    named(14, 'oslo', ['DONE']),
  ]);
  const reply = api.replies.get('upgradeGateway');
  api.replies.set('upgradeGateway', (seen) =>
    seen.url.includes(gateway(14, 'oslo').id)
      ? problem(409, 'upgrade_not_possible', { detail: 'The gateway is not connected' })
      : (reply?.(seen) ?? assert.fail()),
  );
  const { code, out } = await sally(api, ['gateways', 'upgrade', '--all']);
  assert.equal(code, 0);
  assert.match(out, /^berlin: upgraded/m);
  assert.match(out, /^rome: skipped: Its host does not allow it$/m);
  assert.match(out, /^oslo: skipped: .*not connected/m);
  assert.doesNotMatch(out, /paris/);
  const asked = api.seen.filter(({ operation }) => operation === 'upgradeGateway');
  assert.equal(asked.length, 2);
});

test('--all --dry-run asks for nothing', async (t) => {
  const api = await startApi(t);
  serve(api, [named(11, 'berlin', ['DONE']), named(12, 'rome', ['DONE'], { upgrades: 'NOT_POSSIBLE' })]);
  api.replies.delete('upgradeGateway');
  const { code, out } = await sally(api, ['gateways', 'upgrade', '--all', '--dry-run']);
  assert.equal(code, 0);
  assert.match(out, /berlin: would be upgraded\nrome: skipped: [^\n]*\nNothing was written\.\n/);
  for (const { method, url } of api.seen) if (method !== 'GET') assert.match(url, /dry-run=true/);
});

test('gateways are named, or all of them, and not both', async (t) => {
  const api = await startApi(t);
  for (const args of [[], ['berlin', '--all']])
    assert.equal((await sally(api, ['gateways', 'upgrade', ...args])).code, 2);
});
