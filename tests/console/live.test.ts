import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import type { Page } from 'playwright-core';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { becomeOwner, type Console, goodPassword, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

test('the tabs of a browser share one live stream', { skip: noBrowser }, async (t) => {
  const metrics = await metricsAddress();
  const args = ['--metrics-listen', metrics];
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t, { args })]);
  const context = await browser.newContext();
  const first = await openPage(context);
  await becomeOwner(first.page, place);
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 120_000 }, work);
  const second = await openPage(context);
  const other = await browser.newContext();
  const third = await openPage(other);

  await step('a second tab opens no second stream, and both see a change', async () => {
    await showGateways(first.page, place);
    await showGateways(second.page, place);
    await streams(metrics, 1);
    await createGateway(place, 'seen-by-both');
    for (const { page } of [first, second]) await page.getByRole('link', { name: 'seen-by-both' }).waitFor();
  });

  await step('another browser has a stream of its own', async () => {
    await signIn(third.page, place);
    await showGateways(third.page, place);
    await streams(metrics, 2);
    await createGateway(place, 'seen-by-all');
    for (const { page } of [first, second, third]) await page.getByRole('link', { name: 'seen-by-all' }).waitFor();
    await other.close();
    await streams(metrics, 1);
  });

  await step('the other tab takes the stream over when the first one closes', async () => {
    await first.page.close();
    await createGateway(place, 'after-the-takeover');
    await second.page.getByRole('link', { name: 'after-the-takeover' }).waitFor();
    await second.page.getByText('live', { exact: true }).waitFor();
    await streams(metrics, 1);
  });

  await step('a tab takes the stream over from one that is stuck', async () => {
    const third = await openPage(context);
    await showGateways(third.page, place);
    const stuck = await context.newCDPSession(second.page);
    await stuck.send('Debugger.enable');
    await stuck.send('Debugger.pause');
    second.page.evaluate('1').catch(() => undefined);
    await createGateway(place, 'while-one-is-stuck');
    await third.page.getByRole('link', { name: 'while-one-is-stuck' }).waitFor();
    await stuck.send('Debugger.disable');
    await second.page.getByRole('link', { name: 'while-one-is-stuck' }).waitFor();
    await third.page.close();
  });

  await step('a hidden tab has no stream, and is up to date when it is shown again', async () => {
    await hide(second.page, true);
    await streams(metrics, 0);
    await createGateway(place, 'while-hidden');
    await hide(second.page, false);
    await second.page.getByRole('link', { name: 'while-hidden' }).waitFor();
    await streams(metrics, 1);
  });

  await step('a changed status shows in its row', async () => {
    const { id } = await gatewayNamed(place, 'while-hidden');
    await second.page
      .getByRole('row', { name: /while-hidden/ })
      .getByText('Waiting for its host')
      .waitFor();
    await setIntent(place, id, 'MAINTENANCE');
    await second.page
      .getByRole('row', { name: /while-hidden/ })
      .getByText('In maintenance')
      .waitFor();
    assert.deepEqual(second.complaints, []);
  });

  await step('a killed controller is noticed, and the page goes on where it was', async () => {
    await place.controller.kill('SIGKILL');
    await second.page.getByText(/^reconnecting/).waitFor();
    await ControllerProcess.start(t, place.dataDir, ['--listen', `127.0.0.1:${new URL(place.url).port}`, ...args]);
    await createGateway(place, 'after-the-crash');
    await second.page.getByRole('link', { name: 'after-the-crash' }).waitFor();
    await second.page.getByText('live', { exact: true }).waitFor();
  });
});

/** The metrics of a controller, on an address of their own. */
async function metricsAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return `127.0.0.1:${port}`;
}

/** Waits until the controller serves this many streams. */
async function streams(metrics: string, count: number): Promise<void> {
  const serves = async () => {
    const text = await (await fetch(`http://${metrics}/metrics`)).text();
    return text.includes(`\nsallyport_streams_open ${count}\n`);
  };
  await until(`the controller to serve ${count} streams`, serves, { timeoutMs: 100_000 });
}

async function showGateways(page: Page, place: Console): Promise<void> {
  await page.goto(`${place.url}/console/gateways`);
  await page.getByRole('heading', { level: 1, name: 'Gateways' }).waitFor();
  await page.getByText('live', { exact: true }).waitFor();
}

async function signIn(page: Page, place: Console): Promise<void> {
  await page.goto(`${place.url}/console/sign-in`);
  await page.getByLabel('E-mail address').fill('owner@example.com');
  await page.getByLabel('Password').fill(goodPassword);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('navigation', { name: 'Areas' }).waitFor();
}

async function api({ url, key }: Console, method: string, path: string, body?: object) {
  const answer = await fetch(`${url}/tenants${path}`, {
    method,
    headers: { apikey: key, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

const createGateway = (place: Console, name: string) =>
  api(place, 'POST', '/gateways', { name, wireguardPort: '51820' });

async function gatewayNamed(place: Console, name: string): Promise<{ id: string }> {
  const all = (await api(place, 'GET', '/gateways')) as { id: string; name: string }[];
  const found = all.find((gateway) => gateway.name === name);
  assert.ok(found !== undefined);
  return found;
}

const setIntent = (place: Console, id: string, intent: string) =>
  api(place, 'PATCH', `/gateways/${id}`, { name: 'while-hidden', wireguardPort: '51820', intent });

/** Chromium without a window never hides a page by itself, so the page is told that it is hidden. */
const hide = (page: Page, hidden: boolean) =>
  page.evaluate((is) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (is ? 'hidden' : 'visible') });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
