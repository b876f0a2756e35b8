import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { becomeOwner, type Console, goodPassword, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

/** Each of them would set `window.stolen` where a page took it for markup or for an address. */
const hostile = [
  '<img src=x onerror="window.stolen=1">',
  '<script>window.stolen=1</script>',
  '"><svg onload=window.stolen=1>',
  'javascript:window.stolen=1',
  '{{constructor.constructor("window.stolen=1")()}}',
  '</title><iframe srcdoc="<script>parent.stolen=1</script>">',
];

test('several browsers work at once, and nothing that a name says runs', { skip: noBrowser }, async (t) => {
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
  await step('hostile names are texts', () => showsNames(first.page, place));
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
  // The page may have seen the end by itself before this click.
  await goTo(page, 'Devices').catch(() => undefined);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await signIn(page, 'owner@example.com');
  await page.waitForURL(/\/console\/(devices|policies\?type=INTERNET)$/);
  await page.getByRole('heading', { level: 1, name: /Devices|Policies/ }).waitFor();
  await context.close();
}

async function showsNames(page: Page, place: Console): Promise<void> {
  const { id: user } = await post(place, '/users', { email: 'ben@example.com', groups: [] });
  const gateways = [];
  for (const [i, name] of hostile.entries()) {
    gateways.push(await createGateway(place, name));
    await post(place, '/groups', { name, roles: [], description: name });
    await post(place, '/resources', {
      name: name.slice(0, 40),
      type: 'PRIVATE',
      addresses: [{ address: `10.9.${i}.0/24`, protocols: await anyProtocol(place) }],
    });
    await post(place, '/policies', { name, action: true, type: 'PRIVATE', users: [user], allResources: true });
  }
  for (const area of ['gateways', 'resources', 'policies', 'groups', 'users', 'audit', 'overview', 'explain']) {
    await page.goto(`${place.url}/console/${area}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    assert.equal(await page.evaluate('window.stolen'), undefined, area);
  }
  for (const { id } of gateways) {
    await page.goto(`${place.url}/console/gateways/${id}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Delete gateway' }).click();
    await page.getByRole('dialog').getByText('No device gains or loses access').waitFor();
    for (const tab of ['history', 'code']) {
      await page.goto(`${place.url}/console/gateways?id=${id}&tab=${tab}`);
      await page.getByRole('tab', { selected: true, name: tab === 'code' ? 'As code' : 'History' }).waitFor();
    }
    assert.equal(await page.evaluate('window.stolen'), undefined);
  }
  await page.goto(`${place.url}/console/gateways`);
  for (const name of hostile) await page.getByRole('link', { name, exact: true }).waitFor();
}

async function anyProtocol({ url, key }: Console): Promise<string[]> {
  const answer = await fetch(`${url}/tenants/protocols`, { headers: { apikey: key } });
  const all = (await answer.json()) as { id: string }[] | { data: { id: string }[] };
  return [(Array.isArray(all) ? all : all.data)[0]?.id ?? ''];
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
