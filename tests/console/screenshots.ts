import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { becomeOwner, openBrowser, openPage, startConsole } from './browser.ts';
import { fillTenant } from './sample.ts';

/*
 * npm run screenshots [-- FOLDER]: every page at three widths, light and dark, empty and with a filled tenant.
 */
const folder = process.argv[2] ?? 'bench/results/screenshots';
const ends: (() => unknown)[] = [];
const t = { after: (work: () => unknown) => ends.push(work) } as never;
const pages = [
  'overview',
  'gateways',
  'gateway',
  'devices',
  'resources',
  'policies',
  'explain',
  'users',
  'groups',
  'audit',
  'settings',
  'my',
];

try {
  const browser = await openBrowser(t);
  const place = await startConsole(t);
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const { page, complaints } = await openPage(context);
  await becomeOwner(page, place);
  for (const state of ['empty', 'filled']) {
    const gateway = state === 'filled' ? await fillTenant(place) : null;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const [width, height] of [
        [390, 844],
        [1024, 768],
        [1440, 900],
      ] as const) {
        await page.setViewportSize({ width, height });
        for (const name of pages) {
          if (name === 'gateway' && gateway === null) continue;
          await page.goto(`${place.url}/console/${name === 'gateway' ? `gateways/${gateway}` : name}`);
          await page.getByRole('heading', { level: 1 }).first().waitFor();
          await page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => undefined);
          const at = join(folder, state, colorScheme);
          mkdirSync(at, { recursive: true });
          await page.screenshot({ path: join(at, `${name}-${width}.png`), fullPage: true });
        }
      }
    }
  }
  if (complaints.length > 0) process.stderr.write(`${complaints.join('\n')}\n`);
  process.stdout.write(`Wrote the pictures to ${folder}.\n`);
} finally {
  for (const end of ends.reverse()) await end();
}
