import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { noBrowser, openBrowser, openPage } from './browser.ts';
import { openKit } from './kit.ts';

test('the page of all parts holds WCAG 2.2 AA in light and dark', { skip: noBrowser }, async (t) => {
  const [browser, url] = await Promise.all([openBrowser(t), openKit(t)]);
  const { page, complaints } = await openPage(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
  await page.goto(url);
  await page.getByRole('heading', { level: 1, name: 'Parts of the console' }).waitFor();
  for (const colours of ['light', 'dark']) {
    const parts = page.getByRole('region', { name: `Parts in ${colours} colours` });
    for (const title of ['Tokens', 'Buttons', 'Fields', 'Tables', 'Messages', 'Status marks', 'Plans and conflicts'])
      await parts.getByRole('heading', { name: title }).waitFor();
  }
  const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().withTags(rules).analyze();
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
  assert.deepEqual(found, []);
  assert.deepEqual(complaints, []);
});

test('the console that a controller serves has no page of parts', () => {
  const folder = fileURLToPath(new URL('../../apps/console/dist/app', import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(js|html|css)$/.test(name),
  );
  assert.ok(files.some((name) => name.endsWith('.js')));
  const having = files.filter((name) =>
    /Parts of the console|kit-theme/.test(readFileSync(join(folder, name), 'utf8')),
  );
  assert.deepEqual(having, []);
});
