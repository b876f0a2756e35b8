/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { becomeOwner, type Console, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';
import { fillLarge, large } from './large.ts';

/*
 * Prints what a person waits for in a tenant of many gateways and devices. Only what does not depend on the speed of
 * the machine is asserted: sizes, the number of rows in the page, and that every row comes. docs/benchmarks.md has figures.
 */

/** Most bytes of script, with gzip, before the sign-in page and the overview can be used. */
const most = { signIn: 110_000, overview: 230_000 };

test('the console holds a large tenant', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const { page, complaints } = await openPage(context);
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 300_000 }, work);
  await step('the scripts of sign-in and overview are small', (one) => measuresScripts(one, page, place));
  // No page is open meanwhile, which would follow each of these changes.
  await page.goto('about:blank');
  await fillLarge(place);
  await step('the overview opens', (one) => opensOverview(one, page, place));
  await step('every row comes by scrolling, and few of them are in the page', (one) => scrolls(one, page, place));
  await step('the last row is one key away', () => jumpsToEnd(page, place));
  await step('a search finds one of all devices', () => searches(page, place));
  assert.deepEqual(complaints, []);
});

async function measuresScripts(t: TestContext, page: Page, place: Console): Promise<void> {
  const scripts = new Map<string, number>();
  page.on('response', (response) => {
    if (!response.url().endsWith('.js')) return;
    const file = new URL(response.url()).pathname.replace('/console/', '../../apps/console/dist/app/');
    scripts.set(file, gzipSync(readFileSync(new URL(file, import.meta.url)), { level: 9 }).length);
  });
  const loaded = () => [...scripts.values()].reduce((sum, size) => sum + size, 0);
  await page.goto(`${place.url}/console/sign-in`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.waitForLoadState('networkidle');
  const signIn = loaded();
  await becomeOwner(page, place);
  scripts.clear();
  await page.goto(`${place.url}/console/overview`);
  await page.getByRole('heading', { level: 1, name: /gateway/ }).waitFor();
  // The live stream never ends, so the network is never idle.
  await page.getByText('live', { exact: true }).waitFor();
  t.diagnostic(`script for sign-in: ${signIn} bytes gzip, for the overview: ${loaded()} bytes gzip`);
  assert.ok(
    signIn > 10_000 && signIn <= most.signIn,
    `sign-in loads ${signIn} bytes of script, at most ${most.signIn}`,
  );
  assert.ok(loaded() > signIn / 2 && loaded() <= most.overview, `the overview loads ${loaded()} bytes of script`);
}

async function opensOverview(t: TestContext, page: Page, place: Console): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await page.goto(`${place.url}/console/overview`);
    await page.getByRole('link', { name: 'devices', exact: true }).waitFor();
    await page.getByRole('heading', { level: 1, name: /attention/ }).waitFor();
    times.push(performance.now() - start);
  }
  const median = times.sort((a, b) => a - b)[1] ?? 0;
  t.diagnostic(
    `overview of ${large.gateways} gateways and ${large.devices} devices shown after ${Math.round(median)} ms`,
  );
}

const count = large.devices.toLocaleString('en');

async function scrolls(t: TestContext, page: Page, place: Console): Promise<void> {
  await page.goto(`${place.url}/console/devices?sort=name`);
  await page.getByRole('heading', { level: 1, name: `Devices ${count}` }).waitFor();
  await page.locator('.list-name').first().waitFor();
  const {
    longest,
    seen,
    most: rows,
    tasks,
  } = await page.evaluate(async () => {
    const list = document.querySelector('.list-scroll') as HTMLElement;
    let longest = 0;
    let tasks = 0;
    const observer = new PerformanceObserver((entries) => {
      for (const { duration } of entries.getEntries()) {
        longest = Math.max(longest, duration);
        tasks++;
      }
    });
    observer.observe({ type: 'longtask' });
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const seen = new Set<string>();
    let most = 0;
    // Half a page of rows a frame, which is faster than any wheel; then every tenth page is waited for.
    for (let at = 0; at < list.scrollHeight - list.clientHeight; at += list.clientHeight / 2) {
      list.scrollTop = at;
      await frame();
      const all = list.querySelectorAll<HTMLElement>('.list-row');
      most = Math.max(most, all.length);
      for (const row of all) if (row.dataset.id !== undefined) seen.add(row.dataset.id);
    }
    const pages = Math.floor(list.scrollHeight / 4000);
    for (let page = 0; page < pages; page += Math.ceil(pages / 10)) {
      list.scrollTop = page * 100 * 40 + 20 * 40;
      await frame();
      await frame();
      while (document.querySelector('.list-row[aria-busy]') !== null) await frame();
      for (const row of list.querySelectorAll<HTMLElement>('.list-row'))
        if (row.dataset.id !== undefined) seen.add(row.dataset.id);
    }
    observer.disconnect();
    return { longest, seen: seen.size, most, tasks };
  });
  t.diagnostic(`longest task while ${count} rows scroll by: ${Math.round(longest)} ms (${tasks} above 50 ms)`);
  assert.ok(rows < 80, `${rows} rows are in the page`);
  assert.ok(seen > 200, `only ${seen} rows were seen`);
}

async function jumpsToEnd(page: Page, place: Console): Promise<void> {
  await page.goto(`${place.url}/console/devices?sort=name`);
  await page.locator('.list-name').first().waitFor();
  await page.locator('.list-name').first().focus();
  await page.evaluate(() => {
    const list = document.querySelector('.list-scroll') as HTMLElement;
    list.scrollTop = list.scrollHeight;
  });
  await page.locator(`.list-row[aria-rowindex="${large.devices + 1}"] .list-name`).waitFor();
}

async function searches(page: Page, place: Console): Promise<void> {
  await page.goto(`${place.url}/console/devices`);
  await page.getByRole('searchbox', { name: 'Search devices' }).fill('مكتب 242');
  await page.getByRole('link', { name: 'مكتب دبي device 242', exact: true }).waitFor();
}
