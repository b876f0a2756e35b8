/**
 * Writes the recorded state of the release that `previous.json` names: node tests/versions/record.ts. Run it once when
 * `previous.json` changes, and remove the file of the release before.
 */
import { writeFileSync } from 'node:fs';
import { bundleItem, classItem, deviceItem, gatewayItem, profileItem } from '@sallyport/agent-core/testing';
import { evaluate, recordedFile, storeState, unpackPrevious, whyNoPrevious } from './previous.ts';

const why = await whyNoPrevious();
if (why !== null) throw new Error(why);
const items = [
  gatewayItem(),
  deviceItem(1),
  profileItem('p1', [{ class: 'c1', bundle: 'b1', expiresAt: null }]),
  classItem('c1', ['10.20.0.10-10.20.0.10']),
  bundleItem('b1', [{ protocol: 'tcp', from: 80, to: 80, policy: 'web' }]),
];
const { folder, end } = await unpackPrevious();
try {
  const agent = '00000000-0000-4000-8000-000000000001';
  const stored = await evaluate(folder, storeState, { items, agent, now: Date.UTC(2026, 10, 30) });
  writeFileSync(recordedFile, `${JSON.stringify(stored, null, 2)}\n`);
} finally {
  end();
}
