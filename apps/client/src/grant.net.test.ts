import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { routeItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;
const preload = fileURLToPath(new URL('./testing/report-programs.ts', import.meta.url));

test('a grant and its end start no program on a device', { skip }, async (t) => {
  const world = await World.create(t);
  await world.controller.change(world.items());
  world.startDaemon([], `${world.key}\n`, { NODE_OPTIONS: `--import=${preload}` });
  await world.admitted();
  await world.reaches();
  const programs = () =>
    [...world.daemon.output.matchAll(/^started a program: (ip|wg|\/bin\/sh) .*$/gm)].map(([line]) => line);
  assert.ok(programs().length > 0, 'programs are seen');

  const granted = routeItem('10.21.0.0/24', [1], { mode: 'MANUAL', resources: ['wiki'] });
  const isRouted = async () =>
    (await world.device.namespace.ip('route', 'show', 'table', 'all')).includes(`10.21.0.0/24 dev ${world.interface}`);
  /** Makes a change, and returns the programs that it started. */
  const change = async (isGranted: boolean): Promise<string[]> => {
    const before = programs().length;
    await world.controller.change(isGranted ? [granted] : [], isGranted ? [] : [granted.key]);
    await until('the change', async () => (await isRouted()) === isGranted);
    await world.is('the change to be in force', ({ current }) => current);
    return programs().slice(before);
  };
  // The daemon reads everything at its start, and at intervals.
  for (const isGranted of [true, false])
    await until(`a change without a program, granted: ${isGranted}`, async () => {
      await change(!isGranted);
      return (await change(isGranted)).length === 0;
    });
});
