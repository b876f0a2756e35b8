/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { becomeOwner, type Console, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';
import { fillTenant } from './sample.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

test('lists filter, sort, select and open through the address', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1440, height: 900 } });
  const { page, complaints } = await openPage(context);
  await becomeOwner(page, place);
  await fillTenant(place);
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 120_000 }, work);
  await step('a chip filters in the API, and the address keeps it', () => filters(page, place));
  await step('a filter can exclude', () => excludes(page, place));
  await step('a search finds by the name of the owner', () => searches(page, place));
  await step('the order is remembered for the list, and the address has it', () => sorts(page, place));
  await step('columns and density are remembered for the list', () => remembers(page, place));
  await step('a row opens a panel, which the keyboard moves and closes', () => opens(page, place));
  await step('the line of sally for a list prints the same rows', () => printsSame(page, place));
  await step('labels are given to several rows, and filter the list', () => labels(page, place));
  await step('gateways that allow it are upgraded from the list', () => upgrades(page, place));
  await step('the YAML of an object is what sally export writes', () => showsYaml(page, place));
  await step('the history of an object shows what changed', () => showsHistory(page, place));
  await step('selected rows change under one plan', () => changesMany(page, place));
  await step('a policy that another one covers says so', () => showsShadow(page, place));
  await step('a policy is dragged to its place', () => drags(page, place));
  assert.deepEqual(complaints, []);
});

const open = async (page: Page, { url }: Console, path: string): Promise<void> => {
  await page.goto(`${url}/console/${path}`);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
};
const names = (page: Page) => page.locator('.list-name').allTextContents();
const heading = (page: Page, text: string) =>
  page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();

async function filters(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices');
  await heading(page, 'Devices 60');
  const asked = page.waitForRequest((request) => request.url().includes('filter%5Bstatus%5D%5Bin%5D=Online'));
  await page.getByRole('button', { name: '+ Filter' }).click();
  await page.locator('.menu-body').getByRole('button', { name: 'Status' }).click();
  await page.getByRole('checkbox', { name: 'Online', exact: true }).check();
  await asked;
  await page.getByText('No device fits the filters').waitFor();
  assert.match(page.url(), /[?&]status=Online/);
  await page.reload();
  await page.getByRole('button', { name: 'Status is Online', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Remove filter: Status is Online' }).click();
  await heading(page, 'Devices 60');
  assert.doesNotMatch(page.url(), /status=/);
}

async function excludes(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices?status=Online');
  await page.getByRole('button', { name: 'Status is Online', exact: true }).click();
  await page.getByRole('radio', { name: 'is not' }).check();
  await heading(page, 'Devices 60');
  await page.getByRole('button', { name: 'Status is not Online', exact: true }).waitFor();
  assert.match(page.url(), /[?&]status=(!|%21)Online/);
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('radio').count(), 0, 'Escape closes the editor');
}

async function searches(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices');
  await page.getByRole('searchbox', { name: 'Search devices' }).fill('ben@example');
  await heading(page, 'Devices 1');
  assert.deepEqual(await names(page), ['device-1']);
  assert.match(page.url(), /[?&]q=ben%40example/);
}

async function sorts(page: Page, place: Console): Promise<void> {
  await open(page, place, 'groups');
  const first = () => page.locator('.list-name').first();
  await page.getByRole('button', { name: 'Name', exact: true }).click();
  await first().getByText('Default Group').waitFor();
  await page.getByRole('button', { name: 'Name', exact: true }).click();
  await first().getByText('Engineering').waitFor();
  assert.match(page.url(), /[?&]sort=-name/);
  await open(page, place, 'groups');
  await first().getByText('Engineering').waitFor();
  assert.equal(await page.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort'), 'descending');
}

async function remembers(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices');
  await page.getByRole('button', { name: 'View' }).click();
  await page.getByRole('checkbox', { name: 'Address' }).uncheck();
  await page.getByRole('checkbox', { name: 'Version' }).check();
  await page.getByRole('checkbox', { name: 'Compact' }).check();
  await open(page, place, 'devices');
  const heads = await page.getByRole('columnheader').allTextContents();
  assert.ok(heads.includes('Version') && !heads.includes('Address'), heads.join());
  const { height = 0 } = (await page.locator('.list-row').first().boundingBox()) ?? {};
  assert.equal(height, 32);
}

async function opens(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices?sort=name&q=device-1');
  const panel = page.getByRole('complementary', { name: 'The open device' });
  const shown = (name: string) => panel.getByRole('heading', { level: 2, name, exact: true }).waitFor();
  await page.getByRole('link', { name: 'device-1', exact: true }).click();
  await shown('device-1');
  await page.keyboard.press('ArrowDown');
  await shown('device-10');
  await page.keyboard.press('ArrowDown');
  await shown('device-11');
  await page.keyboard.press('ArrowUp');
  await shown('device-10');
  assert.match(page.url(), /[?&]id=[0-9a-f-]{36}/);
  await page.reload();
  await shown('device-10');
  await panel.focus();
  await page.keyboard.press('Escape');
  await panel.waitFor({ state: 'detached' });
  assert.doesNotMatch(page.url(), /[?&]id=/);
  const focused = await page.evaluate(() => document.activeElement?.textContent);
  assert.equal(focused, 'device-10', 'the row has the focus again');
  await page.keyboard.press('Enter');
  await panel.getByRole('link', { name: 'Open page' }).click();
  await page.getByRole('heading', { level: 1, name: 'device-10' }).waitFor();
  assert.match(page.url(), /\/devices\/[0-9a-f-]{36}/);
}

async function printsSame(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices?q=device-5&sort=-name');
  await heading(page, 'Devices 11');
  await printsSameRows(page, place);
}

async function printsSameRows(page: Page, place: Console): Promise<void> {
  await page.getByRole('button', { name: 'As CLI' }).click();
  const line = await page.locator('.codeblock').innerText();
  const answer = JSON.parse(await sally(place, `${line} --json`)) as { data?: { name: string }[] } | { name: string }[];
  const rows = Array.isArray(answer) ? answer : (answer.data ?? []);
  assert.deepEqual(
    rows.map(({ name }) => name),
    await names(page),
  );
}

/** Runs a line of the console in a shell, as a person does. */
async function sally({ url, key }: Console, line: string): Promise<string> {
  const env = {
    ...process.env,
    SALLYPORT_URL: url,
    SALLYPORT_API_KEY: key,
    PATH: `${checkout}/bin:${process.env.PATH}`,
  };
  return (await run('/bin/sh', ['-c', line], { env })).stdout;
}

async function showsYaml(page: Page, place: Console): Promise<void> {
  const whole = (await sally(place, 'sally export')).split('\n');
  const objects = [
    ['gateways', 'office-1'],
    ['gateways', 'مكتب دبي'],
    ['resources', 'Wiki'],
    ['resources', 'Datenbank der Personalabteilung (nur HR)'],
    ['groups', 'Engineering'],
    ['users', 'anna@example.com'],
    ['policies', 'Nobody reaches HR'],
    ['policies', 'Engineering reaches the build farm'],
  ] as const;
  for (const [list, name] of objects) {
    await open(page, place, `${list}?tab=code`);
    await page.getByRole('link', { name, exact: true }).click();
    const shown = (await page.locator('pre.codeblock').innerText()).trimEnd().split('\n');
    assert.deepEqual(shown.slice(0, 2), ['version: 1', `${list}:`]);
    const item = shown.slice(2);
    const at = whole.indexOf(item[0] ?? '', whole.indexOf(`${list}:`));
    assert.deepEqual(item, whole.slice(at, at + item.length), name);
    const next = whole[at + item.length] ?? '';
    assert.ok(!next.startsWith('    '), `the export has more about ${name}: ${next}`);
  }
}

async function showsHistory(page: Page, place: Console): Promise<void> {
  await open(page, place, 'gateways?q=lab&tab=history');
  await page.getByRole('link', { name: 'lab', exact: true }).click();
  await page.getByRole('button', { name: /First key\s+created gateway/ }).click();
  await page.locator('.changes ins', { hasText: 'lab' }).first().waitFor();
}

async function changesMany(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices?q=device-5&sort=name');
  await heading(page, 'Devices 11');
  await page.getByRole('checkbox', { name: 'Select device-50' }).click();
  await page.getByRole('checkbox', { name: 'Select device-52' }).click({ modifiers: ['Shift'] });
  const bar = page.getByRole('toolbar', { name: 'Selected devices' });
  await bar.getByText('3 devices selected').waitFor();
  await bar.getByRole('button', { name: 'Deactivate' }).click();
  const dialog = page.getByRole('dialog', { name: 'Deactivate 3 devices' });
  await dialog
    .getByRole('button', { name: /^Deactivate 3 devices/ })
    .and(page.locator(':not([aria-busy])'))
    .click();
  await dialog.waitFor({ state: 'hidden' });
  await bar.waitFor({ state: 'detached' });
  await open(page, place, 'devices?status=Deactivated&sort=name');
  await heading(page, 'Devices 3');
  assert.deepEqual(await names(page), ['device-50', 'device-51', 'device-52']);
  await page.getByRole('checkbox', { name: 'Select all devices' }).click();
  await page.getByText('3 devices selected').waitFor();
  await page.getByRole('searchbox').fill('device-51');
  await heading(page, 'Devices 1');
  assert.equal(await page.getByRole('toolbar').count(), 0, 'nothing out of sight stays selected');
}

/** Gives a label to two gateways. The list, its line of sally and the YAML then know it. */
async function labels(page: Page, place: Console): Promise<void> {
  await open(page, place, 'gateways?sort=name');
  for (const name of ['lab', 'office-1']) await page.getByRole('checkbox', { name: `Select ${name}` }).click();
  await page.getByRole('button', { name: 'Labels', exact: true }).click();
  await page.getByLabel('Add a label to the selected gateways').fill('Site=Berlin');
  await page.getByRole('button', { name: 'Add label' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add site=berlin to 2 gateways' });
  await dialog
    .getByRole('button', { name: /^Add site=berlin to 2 gateways/ })
    .and(page.locator(':not([aria-busy])'))
    .click();
  await dialog.waitFor({ state: 'hidden' });
  await open(page, place, 'gateways?label=!site%3Dberlin&sort=name');
  await heading(page, 'Gateways 4');
  await printsSameRows(page, place);
  await open(page, place, 'gateways?label=site%3Dberlin&sort=-name');
  await heading(page, 'Gateways 2');
  assert.deepEqual(await names(page), ['office-1', 'lab']);
  await printsSameRows(page, place);
}

/** Runs in the page: two gateways allow upgrades, and the controller refuses one of these. */
function changeAnswers(): void {
  const state = globalThis as unknown as { upgradesAsked: number };
  state.upgradesAsked = 0;
  const real = globalThis.fetch;
  const change = ({ name, ...rest }: { name: string }) => {
    const upgrade = { version: '1.1.0', from: '1.0.0', state: 'RETURNED', reason: 'every peer is gone' };
    if (name === 'lab') return { name, ...rest, upgrades: 'ALLOWED', outdated: true, upgrade };
    return { name, ...rest, outdated: true, upgrades: name === 'office-1' ? 'ALLOWED' : 'NOT_ALLOWED' };
  };
  globalThis.fetch = async (target, options) => {
    const path = String(target);
    if (!path.includes('/tenants/gateways')) return real(target, options);
    if (path.endsWith('/upgrade')) {
      const refusal = { code: 'upgrade_not_possible', title: 'x', detail: 'The gateway is not connected' };
      return ++state.upgradesAsked === 1 ? Response.json({}, { status: 201 }) : Response.json(refusal, { status: 409 });
    }
    const answer = await real(target, options);
    const body = await answer.json();
    const { status, headers } = answer;
    return Response.json(Array.isArray(body) ? body.map(change) : change(body), { status, headers });
  };
}

/** Two gateways allow upgrades, and one of these is refused. No agent connects here, so the answers are changed. */
async function upgrades(page: Page, place: Console): Promise<void> {
  await page.addInitScript(changeAnswers);
  await open(page, place, 'gateways?sort=name');
  const upgrade = page.getByRole('toolbar').getByRole('button', { name: 'Upgrade', exact: true });
  await page.getByRole('checkbox', { name: 'Select 東京オフィス' }).click();
  assert.equal(await upgrade.isDisabled(), true);
  for (const name of ['lab', 'office-1']) await page.getByRole('checkbox', { name: `Select ${name}` }).click();
  await upgrade.click();
  const dialog = page.getByRole('dialog', { name: 'Upgrade 2 gateways' });
  await dialog.getByText('1 selected gateway is left out').waitFor();
  await dialog.getByRole('button', { name: 'Upgrade 2 gateways' }).click();
  await dialog.getByRole('alert').getByText('office-1: The gateway is not connected').waitFor();
  assert.equal(await page.evaluate(() => (globalThis as unknown as { upgradesAsked: number }).upgradesAsked), 2);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await page.getByText('lab', { exact: true }).first().click();
  await page.getByText('Returned to the old version (1.0.0 to 1.1.0)').waitFor();
  await page.getByText('every peer is gone').waitFor();
  await page.getByRole('button', { name: 'Upgrade gateway' }).click();
  await page.getByRole('dialog', { name: 'Upgrade lab' }).getByRole('button', { name: 'Cancel' }).click();
}

async function showsShadow(page: Page, place: Console): Promise<void> {
  const answer = await fetch(`${place.url}/tenants/policies`, {
    method: 'POST',
    headers: { apikey: place.key, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'Never decides',
      action: true,
      type: 'PRIVATE',
      allUsers: true,
      resources: [await wiki(place)],
    }),
  });
  assert.equal(answer.status, 201, await answer.text());
  await open(page, place, 'policies');
  await page.getByText('decides nothing: Everybody reads the wiki above matches first').waitFor();
}

async function wiki({ url, key }: Console): Promise<string> {
  const answer = await fetch(`${url}/tenants/resources?q=Wiki`, { headers: { apikey: key } });
  return ((await answer.json()) as { data: { id: string }[] }).data[0]?.id ?? '';
}

async function drags(page: Page, place: Console): Promise<void> {
  await open(page, place, 'policies');
  const all = () => page.locator('.policy strong').allTextContents();
  const [first, second, third] = await all();
  await page.locator('.policy').nth(2).dragTo(page.locator('.policy').nth(0));
  const dialog = page.getByRole('dialog', { name: `Move ${third} up` });
  await dialog
    .getByRole('button', { name: /^Move policy/ })
    .and(page.locator(':not([aria-busy])'))
    .click();
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual((await all()).slice(0, 3), [third, first, second]);
}
