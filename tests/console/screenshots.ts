import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { becomeOwner, openBrowser, openPage, startConsole } from './browser.ts';
import { openKit } from './kit.ts';
import { fillTenant } from './sample.ts';

/*
 * npm run screenshots [-- FOLDER]: every page at three widths, light and dark, empty and with a filled tenant; and the
 * parts that pages are made of.
 * npm run screenshots -- --docs: only the pictures of the README.
 */
const docs = process.argv[2] === '--docs';
const folder = docs ? 'docs/pictures' : (process.argv[2] ?? 'bench/results/screenshots');
const ends: (() => unknown)[] = [];
const t = { after: (work: () => unknown) => ends.push(work) } as never;
const pages = [
  'overview',
  'gateways',
  'gateway',
  'devices',
  'resources',
  'policies',
  'rules',
  'rules/new',
  'explain',
  'users',
  'invitations',
  'groups',
  'audit',
  'settings',
  'my-devices',
  'my',
];
const sizes = [
  [390, 844],
  [1024, 768],
  [1440, 900],
] as const;

try {
  const browser = await openBrowser(t);
  const place = await startConsole(t);
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const { page, complaints } = await openPage(context);
  await becomeOwner(page, place);
  const take = async (name: string, path: string, file: string, fullPage: boolean) => {
    await page.goto(`${place.url}/console/${path}`);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    await page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => undefined);
    await page.screenshot({ path: join(folder, file, `${name}.png`), fullPage });
  };
  if (docs) {
    mkdirSync(folder, { recursive: true });
    await page.setViewportSize({ width: 1024, height: 480 });
    await take('first-steps', 'overview', '', false);
    await fillTenant(place);
    await take('policies', 'policies', '', false);
  } else {
    for (const state of ['empty', 'filled']) {
      const gateway = state === 'filled' ? await fillTenant(place) : null;
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        mkdirSync(join(folder, state, colorScheme), { recursive: true });
        for (const [width, height] of sizes) {
          await page.setViewportSize({ width, height });
          for (const name of pages) {
            if (name === 'gateway' && gateway === null) continue;
            const path = name === 'gateway' ? `gateways/${gateway}` : name;
            await take(`${name.replaceAll('/', '-')}-${width}`, path, join(state, colorScheme), true);
          }
        }
      }
    }
  }
  if (!docs) {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(await openKit(t));
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.screenshot({ path: join(folder, 'console-kit.png'), fullPage: true });
  }
  if (complaints.length > 0) process.stderr.write(`${complaints.join('\n')}\n`);
  process.stdout.write(`Wrote the pictures to ${folder}.\n`);
} finally {
  for (const end of ends.reverse()) await end();
}
