/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { becomeOwner, type Console, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';
import { fillTenant } from './sample.ts';

const pages = [
  'overview',
  'gateways',
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
  'my',
] as const;
/** WCAG 2.2 AA. The rules of the versions before belong to it. */
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const ofColours = ['color-contrast', 'link-in-text-block'];

test('every page holds WCAG 2.2 AA, and the keyboard alone is enough', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1440, height: 900 } });
  const { page, complaints } = await openPage(context);
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 120_000 }, work);

  await step('the pages for people who are not signed in', async () => {
    await page.goto(`${place.url}/console/sign-in`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await inBothColours(page, 'sign-in, before set-up');
    await page.goto(place.setUpLink);
    await page.getByLabel('E-mail address').waitFor();
    await inBothColours(page, 'set-up link');
    await becomeOwner(page, place);
  });
  await step('every page of an empty tenant', () => lookAtAll(page, place, pages));
  const gateway = await fillTenant(place);
  const others = await objectPages(place);
  const filled = [...pages, `gateways/${gateway}`, ...others, 'policies?type=INTERNET', 'no-such-page'];
  await step('every page of a filled tenant', () => lookAtAll(page, place, filled));
  await step('every page on a phone, which scrolls in one direction only', () => fitsPhone(page, place, filled));
  await step('every dialog', () => lookAtDialogs(page, place, gateway));
  for (const name of [...pages, `gateways/${gateway}`])
    await step(`Tab reaches everything on ${name.replace(gateway, 'ID')}`, () => tabThrough(page, place, name));
  await step('the first Tab shows a link that skips the areas', () => skipsAreas(page, place));
  await step('a dialog keeps the focus, and gives it back', () => keepsFocus(page, place));
  await step('Ctrl-K finds an object, and goes there', () => jumps(page, place, gateway));
  await step('Alt and an arrow move a policy', () => movesPolicy(page, place));
  assert.deepEqual(complaints, []);
});

async function open(page: Page, { url }: Console, name: string): Promise<void> {
  await page.goto(`${url}/console/${name}`);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
}

async function lookAtAll(page: Page, place: Console, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await open(page, place, name);
    await inBothColours(page, name);
  }
}

/** Dark is the same page with other colours, so only what depends on colours is checked again. */
async function inBothColours(page: Page, name: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light' });
  await holds(page, `${name}, light`);
  await page.emulateMedia({ colorScheme: 'dark' });
  await holds(page, `${name}, dark`, (axe) => axe.withRules(ofColours));
}

const all = (axe: AxeBuilder) => axe.withTags(rules);

async function holds(page: Page, name: string, chosen = all): Promise<void> {
  const { violations } = await chosen(new AxeBuilder({ page }).setLegacyMode()).analyze();
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  );
  assert.deepEqual(found, [], name);
}

async function fitsPhone(page: Page, place: Console, names: readonly string[]): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const name of names) {
    await open(page, place, name);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${name} is ${width} px wide`);
    await holds(page, `${name}, on a phone`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** Id of the first object that a search finds. */
async function idOf({ url, key }: Console, list: string, name: string): Promise<string> {
  const answer = await fetch(`${url}/tenants/${list}?q=${encodeURIComponent(name.slice(0, 30))}`, {
    headers: { apikey: key },
  });
  const { data } = (await answer.json()) as { data: { id: string; name: string }[] };
  return data.find((one) => one.name === name)?.id ?? '';
}

/** Pages of single objects, and explanations of denied connections: one by a rule, one by no policy. */
async function objectPages(place: Console): Promise<string[]> {
  const answer = await fetch(`${place.url}/tenants/admission-rules`, { headers: { apikey: place.key } });
  const rules = (await answer.json()) as { id: string; type: string }[];
  const [group, laptop, other] = await Promise.all([
    idOf(place, 'groups', 'Engineering'),
    idOf(place, 'devices', 'A laptop with a name that goes on and on until the end of the line'),
    idOf(place, 'devices', 'device-9'),
  ]);
  const denied = 'destination=10.1.0.7&protocol=TCP&port=443';
  return [
    `rules/${rules.find(({ type }) => type === 'CUSTOM')?.id}`,
    `groups/${group}`,
    `explain?device=${laptop}&${denied}`,
    `explain?device=${other}&${denied}`,
  ];
}

/** Opens each dialog by its button, has it checked, and closes it by Escape. */
async function lookAtDialogs(page: Page, place: Console, gateway: string): Promise<void> {
  const [device, resource] = await Promise.all([idOf(place, 'devices', 'device-1'), idOf(place, 'resources', 'Wiki')]);
  const dialogs = [
    ['gateways', 'New gateway'],
    [`gateways/${gateway}`, 'Delete gateway'],
    ['devices', 'Add device'],
    [`devices/${device}`, 'Delete'],
    ['resources', 'New resource'],
    [`resources/${resource}`, 'Delete'],
    ['policies', 'New policy'],
    ['policies', 'Delete Everybody reads the wiki'],
    ['users', 'Invite user'],
    ['groups', 'New group'],
    ['settings', 'New key'],
    ['my', 'Change password'],
    ['my', 'Add authenticator app'],
    ['overview', /^Search/],
  ] as const;
  for (const [name, button] of dialogs) {
    await open(page, place, name);
    await page.getByRole('button', { name: button, exact: true }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await page.waitForFunction(() => document.querySelector('dialog[open] .skeleton') === null);
    await inBothColours(page, `${name}: ${button}`);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
  }
}

/** Presses Tab until the focus has been everywhere. Each stop has to show where the focus is. */
async function tabThrough(page: Page, place: Console, name: string): Promise<void> {
  await open(page, place, name);
  const count = await page.evaluate(() => {
    const wanted = 'a[href], button:not(:disabled), input:not(:disabled), select, textarea, [tabindex="0"]';
    const all = [...document.querySelectorAll<HTMLElement>(wanted)].filter((one) => one.checkVisibility());
    for (const one of all) one.dataset.unseen = '';
    return all.length;
  });
  assert.ok(count > 10, `only ${count} things to reach`);
  for (let i = 0; i < count + 5; i++) {
    await page.keyboard.press('Tab');
    const hidden = await page.evaluate(() => {
      const at = document.activeElement as HTMLElement;
      delete at.dataset.unseen;
      return at !== document.body && getComputedStyle(at).outlineStyle === 'none' ? at.outerHTML : null;
    });
    assert.equal(hidden, null, 'the focus stands here and does not show');
  }
  const unseen = await page.$$eval('[data-unseen]', (all) => all.map((one) => one.outerHTML));
  assert.deepEqual(unseen, []);
}

async function skipsAreas(page: Page, place: Console): Promise<void> {
  await open(page, place, 'devices');
  await page.keyboard.press('Tab');
  const link = page.getByRole('link', { name: 'Skip to the page' });
  const { width = 0, height = 0 } = (await link.boundingBox()) ?? {};
  assert.ok(width > 50 && height > 20, `it is ${width} x ${height} px`);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Add device');
}

async function keepsFocus(page: Page, place: Console): Promise<void> {
  await open(page, place, 'gateways');
  const button = page.getByRole('button', { name: 'New gateway' });
  await button.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'New gateway' });
  await dialog.waitFor();
  const seen = new Set<string>();
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    const { outside, text } = await page.evaluate(() => {
      const at = document.activeElement;
      return {
        outside: at !== document.body && at?.closest('dialog') === null,
        text: at?.closest('.field')?.querySelector('label')?.textContent ?? at?.textContent ?? '',
      };
    });
    assert.equal(outside, false, `the focus left the dialog for ${text}`);
    seen.add(text);
  }
  for (const text of ['Name', 'UDP port', 'Endpoint', 'Cancel', 'Create gateway'])
    assert.ok(seen.has(text), `${text} among ${[...seen].join(', ')}`);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.ok(await button.evaluate((one) => one === document.activeElement), 'the focus is on the button again');
}

async function jumps(page: Page, place: Console, gateway: string): Promise<void> {
  await open(page, place, 'overview');
  await page.keyboard.press('Control+k');
  const field = page.getByRole('combobox', { name: 'Name, e-mail address, IP address or id' });
  await field.waitFor();
  assert.ok(await field.evaluate((one) => one === document.activeElement), 'one types at once');
  await page.keyboard.type('office-1');
  await page.getByRole('option', { name: 'office-1 gateway', selected: true }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(`**/gateways/${gateway}`);
  await page.getByRole('heading', { level: 1, name: 'office-1' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('e');
  await page.keyboard.press('ArrowDown');
  const second = await page.getByRole('option').nth(1).getAttribute('aria-selected');
  assert.equal(second, 'true', 'the arrow has moved the choice');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
}

async function movesPolicy(page: Page, place: Console): Promise<void> {
  await open(page, place, 'policies');
  const names = () => page.locator('.policy strong').allTextContents();
  const [first, second, third] = await names();
  const remove = page.getByRole('button', { name: `Delete ${first}` });
  await remove.focus();
  await page.keyboard.press('Alt+ArrowDown');
  const dialog = page.getByRole('dialog', { name: `Move ${first} down` });
  await dialog.getByRole('button', { name: /^Move policy/, disabled: false }).waitFor();
  await page.waitForFunction(() => document.querySelector('dialog[open] [aria-busy="true"]') === null);
  await dialog.getByRole('button', { name: /^Move policy/ }).focus();
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual((await names()).slice(0, 3), [second, first, third]);
  assert.ok(await remove.evaluate((one) => one === document.activeElement), 'the focus stays with the policy');
}
