import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { becomeOwner, type Console, goodPassword, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

test('several browsers work at once', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 120_000 }, work);
  const first = await openPage(await browser.newContext());
  await becomeOwner(first.page, place);

  await step('a change in one browser shows in the other without a reload', async () => {
    const second = await signedIn(browser, place, 'owner@example.com');
    await goTo(second.page, 'Gateways');
    await second.page.getByText('No gateway yet').waitFor();
    await createGateway(place, 'from-the-first');
    await second.page.getByRole('link', { name: 'from-the-first' }).waitFor();
    await second.context.close();
  });

  await step('a person with the role User sees own devices and the own account alone', () =>
    seesOwnAccount(browser, place),
  );
  await step('a session that ended elsewhere leads to sign-in, and back', () => comesBack(browser, place, first.page));
  assert.deepEqual(first.complaints, []);
  await step('a killed controller shows as reconnecting, and nothing is lost', () => survives(t, first.page, place));
});

interface Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
}

async function signedIn(browser: Browser, place: Console, email: string): Promise<Visitor> {
  const context = await browser.newContext();
  const { page } = await openPage(context);
  await page.goto(`${place.url}/console/sign-in`);
  await signIn(page, email);
  await page.getByRole('navigation', { name: 'Areas' }).waitFor();
  return { context, page };
}

async function signIn(page: Page, email: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(goodPassword);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

const goTo = (page: Page, area: string) =>
  page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: area, exact: true }).click();

async function post({ url, key }: Console, path: string, body: object): Promise<{ id: string; url: string }> {
  const answer = await fetch(`${url}/tenants${path}`, {
    method: 'POST',
    headers: { apikey: key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return (await answer.json()) as { id: string; url: string };
}

const createGateway = (place: Console, name: string) => post(place, '/gateways', { name, wireguardPort: '51820' });

async function seesOwnAccount(browser: Browser, place: Console): Promise<void> {
  const { id } = await post(place, '/users', { email: 'anna@example.com', groups: [] });
  const { url } = await post(place, `/users/${id}/invitation-link`, {});
  const context = await browser.newContext();
  const { page, complaints } = await openPage(context);
  await page.goto(url);
  await page.getByLabel('Or choose a password').fill(goodPassword);
  await page.getByRole('button', { name: 'Use the password' }).click();
  await page.getByRole('heading', { level: 1, name: 'My devices' }).waitFor();
  const areas = page.getByRole('navigation', { name: 'Areas' }).getByRole('link');
  assert.deepEqual(await areas.allTextContents(), ['My devices', 'My account']);
  for (const name of ['gateways', 'users', 'settings', 'overview']) {
    await page.goto(`${place.url}/console/${name}`);
    await page.waitForURL('**/console/my-devices');
    await page.getByRole('heading', { level: 1, name: 'My devices' }).waitFor();
  }
  assert.equal(await page.getByRole('button', { name: /^Search/ }).count(), 0);
  assert.deepEqual(complaints, []);
  await context.close();
}

async function comesBack(browser: Browser, place: Console, other: Page): Promise<void> {
  const { context, page } = await signedIn(browser, place, 'owner@example.com');
  await page.goto(`${place.url}/console/policies?type=INTERNET`);
  await page.getByRole('heading', { level: 1, name: 'Policies' }).waitFor();
  await goTo(other, 'My account');
  const end = other.getByRole('button', { name: 'End all others' });
  await end.click();
  await end.waitFor({ state: 'hidden' });
  // The page may see the end by itself, before this click.
  const signInShows = page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await Promise.any([goTo(page, 'Devices'), signInShows]);
  await signInShows;
  await signIn(page, 'owner@example.com');
  await page.waitForURL(/\/console\/(devices|policies\?type=INTERNET)$/);
  await page.getByRole('heading', { level: 1, name: /Devices|Policies/ }).waitFor();
  await context.close();
}

async function survives(t: TestContext, page: Page, place: Console): Promise<void> {
  await page.goto(`${place.url}/console/gateways`);
  await page.getByRole('link', { name: 'from-the-first' }).waitFor();
  await page.getByText('live', { exact: true }).waitFor();
  await place.controller.kill('SIGKILL');
  await page.getByText(/^reconnecting/).waitFor();
  assert.ok(await page.getByRole('link', { name: 'from-the-first' }).isVisible(), 'what is known stays');
  await ControllerProcess.start(t, place.dataDir, ['--listen', `127.0.0.1:${new URL(place.url).port}`]);
  await page.getByText('live', { exact: true }).waitFor({ timeout: 60_000 });
  await createGateway(place, 'after-the-crash');
  await page.getByRole('link', { name: 'after-the-crash' }).waitFor();
  assert.ok(await page.getByRole('link', { name: 'from-the-first' }).isVisible(), 'nothing is lost');
}
