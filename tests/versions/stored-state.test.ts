import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DesiredState, formatStoredState, readStoredState } from '@sallyport/agent-core';
import {
  bundleItem,
  classItem,
  deviceItem,
  gatewayItem,
  profileItem,
  ScriptedController,
} from '@sallyport/agent-core/testing';
import { identityCrypto } from '@sallyport/agent-runtime';
import { channelProtocol, type StateItem } from '@sallyport/contract/channel';
import { evaluate, previous, readState, recordedFile, storeState, unpackPrevious, whyNoPrevious } from './previous.ts';

const agent = '00000000-0000-4000-8000-000000000001';
const now = Date.UTC(2026, 10, 30);
const crypto = identityCrypto(Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(32, 2).toString('base64'));

const items: StateItem[] = [
  gatewayItem(),
  deviceItem(1),
  profileItem('p1', [{ class: 'c1', bundle: 'b1', expiresAt: null }]),
  classItem('c1', ['10.20.0.10-10.20.0.10']),
  bundleItem('b1', [{ protocol: 'tcp', from: 80, to: 80, policy: 'web' }]),
];
const keys = items.map(({ key }) => key).sort();

interface Stored {
  readonly text: string;
  readonly agent: string;
  readonly controllerKey: string;
  readonly now: number;
}

/** Returns a state as an agent of this version stores it. */
function store(all: readonly StateItem[]): Stored {
  const controller = new ScriptedController(agent);
  controller.change(all, [], now);
  const desired = new DesiredState();
  const controllerKey = controller.key.publicKey;
  const verdict = desired.adoptSnapshot(controller.snapshot(now), { agent, controllerKey, crypto });
  assert.equal(verdict.kind, 'adopted');
  return { text: formatStoredState(desired, now, now) ?? '', agent, controllerKey, now };
}

function read({ text, now: at, ...authority }: Stored) {
  return readStoredState(text, { ...authority, crypto }, at);
}

function assertRead(stored: Stored, complete: boolean): void {
  const outcome = read(stored);
  assert.ok(outcome.kind === 'usable', JSON.stringify(outcome));
  assert.deepEqual([[...outcome.desired.items.keys()].sort(), outcome.complete], [keys, complete]);
}

test('the recorded state of the previous release is readable, and is asked for again', () => {
  assertRead(JSON.parse(readFileSync(recordedFile, 'utf8')), previous.protocol === channelProtocol);
});

test('each release starts from the state that the other one stored', async (t) => {
  const why = await whyNoPrevious();
  if (why !== null) return t.skip(why);
  const { folder, end } = await unpackPrevious();
  t.after(end);
  assertRead(
    (await evaluate(folder, storeState, { items, agent, now })) as Stored,
    previous.protocol === channelProtocol,
  );
  const older = (await evaluate(folder, readState, store(items))) as { kind: string; items: string[] };
  assert.deepEqual([older.kind, older.items?.sort()], ['usable', keys], JSON.stringify(older));
});

/** Changes a stored text as a newer version would write it. */
function newer({ text, ...rest }: Stored, change: (items: Record<string, unknown>[]) => void): Stored {
  const stored = JSON.parse(text);
  change(stored.snapshot.items);
  return { ...rest, text: JSON.stringify({ ...stored, protocol: channelProtocol + 1, newField: true }) };
}

test('fields and kinds of a newer version are left out, unless the signed hash needs them', () => {
  const stored = store(items);
  const advice = newer(stored, (all) => {
    for (const item of all) item.newAdvice = { of: ['a newer version'] };
  });
  assertRead(advice, false);
  assertRead(
    newer(stored, (all) => {
      all.push({ kind: 'newer', key: 'newer/1', id: '1' });
    }),
    false,
  );
  const without = read(newer(stored, (all) => all.pop()));
  assert.ok(without.kind === 'invalid');
  assert.match(without.reason, /stored by a newer version/);
  const changed = read(
    newer(stored, (all) => {
      Object.assign(all[0] ?? {}, { listenPort: 'a newer form' });
    }),
  );
  assert.equal(changed.kind, 'invalid');
});
