import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cleanup, type Namespace, until, whyNoNamespaces } from '@sallyport/testkit';
import type { Page } from 'playwright-core';
import { ReadmeWorld } from '../readme/world.ts';
import { becomeOwner, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

const skip = noBrowser || (whyNoNamespaces() ?? false);
const checkout = fileURLToPath(new URL('../..', import.meta.url));
const patient = { timeout: 90_000 };

test('an owner gets from the set-up link to the first packet in the browser', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = testFolder(t);
  const world = await ReadmeWorld.create(cleanup, folder, checkout);
  const prefix = ['ip', 'netns', 'exec', world.space('controller').name];
  const place = await startConsole(t, { prefix });
  const browser = await openBrowser(t, browserIn(world.space('controller'), folder));
  const context = await browser.newContext({ acceptDownloads: true });
  const { page, complaints } = await openPage(context);
  page.setDefaultTimeout(patient.timeout);

  await becomeOwner(page, place);
  await nextStep(page, 'Create a gateway');
  const { line, token } = await createGateway(page);
  const machine = world.machine('controller');
  const gateway = machine.start(line, { input: `${token}\n` });
  await gateway.says(/starting/);
  const listed = await machine.run('cat /proc/[0-9]*/cmdline | tr "\\0" " "');
  assert.ok(!listed.output.includes(token), 'the token stands in no process list');
  await page.locator('.head .status.good', { hasText: 'Online' }).waitFor();
  assert.equal(await page.getByRole('heading', { name: 'Start it on a host' }).count(), 0);

  await nextStep(page, 'Create a resource');
  await createResource(page);
  await nextStep(page, 'Create a policy');
  await createPolicy(page);
  await nextStep(page, 'Add a device');
  const configuration = await addDevice(page, join(folder, 'phone.conf'));
  assert.match(configuration, /^PrivateKey = [A-Za-z0-9+/]{43}=$/m);

  await goTo(page, 'Overview');
  await page.getByRole('link', { name: 'Connect the device' }).waitFor();
  const phone = world.machine('phone');
  await phone.run('umask 077; cat > phone.conf', { input: configuration, home: true });
  const up = await phone.run('wg-quick up ./phone.conf', { home: true });
  assert.equal(up.code, 0, up.output);
  await until('the first packet', async () => (await reach(phone, 'https://10.20.0.10')).includes('Welcome'));
  assert.doesNotMatch(await reach(phone, 'https://10.20.0.11'), /Welcome/, 'no other address');
  await page.getByRole('heading', { name: 'First steps' }).waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'The gateway enforces what your policies say' }).waitFor();
  await goTo(page, 'Devices');
  await page.getByRole('row', { name: /phone/ }).getByText('Online', { exact: true }).waitFor();
  await goTo(page, 'Policies');
  await page.getByRole('button', { name: 'Delete Everybody reads the wiki' }).click();
  await page
    .getByRole('dialog')
    .getByRole('listitem')
    .filter({ hasText: 'Wiki on phone of owner@example.com' })
    .waitFor();
  await page.getByRole('button', { name: 'Delete policy: 1 person loses Wiki' }).waitFor();
  assert.deepEqual(complaints, []);
});

function testFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-first-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program that starts Chromium inside a namespace. The pipes by which the test drives it go along. */
function browserIn({ name }: Namespace, folder: string): (program: string) => string {
  return (program) => {
    const path = join(folder, 'browser');
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${name} ${program} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  };
}

const goTo = (page: Page, area: string) =>
  page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: area, exact: true }).click();

/** Follows the step that the overview shows as the next one. */
async function nextStep(page: Page, action: string): Promise<void> {
  await goTo(page, 'Overview');
  await page.getByRole('link', { name: action }).click();
}

const reach = async (phone: ReturnType<ReadmeWorld['machine']>, url: string) =>
  (await phone.run(`curl -sk -m 2 ${url}`)).output;

async function createGateway(page: Page): Promise<{ line: string; token: string }> {
  await page.getByRole('button', { name: 'New gateway' }).click();
  const dialog = page.getByRole('dialog', { name: 'New gateway' });
  await dialog.getByLabel('Name').fill('office');
  await dialog.getByLabel('Endpoint').fill('203.0.113.10');
  await dialog.getByRole('button', { name: 'Create gateway' }).click();
  await page.getByRole('heading', { level: 1, name: 'office' }).waitFor();
  await page.getByRole('button', { name: 'From a checkout', exact: true }).click();
  await page.getByRole('button', { name: 'Show token' }).click();
  return {
    line: await page.locator('.codeblock').innerText(),
    token: await page.locator('.secret code').innerText(),
  };
}

async function createResource(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'New resource' }).click();
  const dialog = page.getByRole('dialog', { name: 'New resource' });
  await dialog.getByLabel('Name').fill('Wiki');
  await dialog.getByLabel('Addresses').fill('10.20.0.10');
  await dialog.getByLabel('Protocol').selectOption({ label: 'HTTPS' });
  await dialog.getByRole('button', { name: 'Create resource' }).click();
  await dialog.getByText('Put it behind office?').waitFor();
  await dialog.getByRole('button', { name: 'Attach gateways' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** Adds a device, whose key the browser makes, and returns the file that the page gives. */
async function addDevice(page: Page, path: string): Promise<string> {
  await page.getByRole('button', { name: 'Add device' }).click();
  const form = page.getByRole('dialog', { name: 'Add a device' });
  await form.getByLabel('Name').fill('phone');
  await form.getByRole('combobox', { name: 'Owner' }).fill('owner');
  await form.getByRole('option', { name: 'owner@example.com' }).click();
  await form.getByRole('button', { name: 'Add device' }).click();
  const dialog = page.getByRole('dialog', { name: 'Connect phone' });
  await dialog.getByRole('img', { name: 'WireGuard configuration of phone' }).waitFor();
  await dialog.getByText('It will reach Wiki.').waitFor();
  await dialog.getByText('Waiting for its first connection').waitFor();
  const file = page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Download file' }).click();
  await (await file).saveAs(path);
  await dialog.getByRole('button', { name: 'Close' }).click();
  return readFileSync(path, 'utf8');
}

async function createPolicy(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'New policy' }).click();
  const form = page.getByRole('dialog', { name: 'New policy' });
  await form.getByLabel('Name').fill('Everybody reads the wiki');
  await form.getByLabel('Where').selectOption({ label: 'Chosen resources' });
  await form.getByLabel('Resources', { exact: true }).fill('wiki');
  await form.getByRole('option', { name: 'Wiki' }).click();
  await form.getByRole('button', { name: 'See what changes' }).click();
  await form.getByText('No device gains or loses access by this.').waitFor();
  await form.getByRole('button', { name: 'Create policy' }).click();
  await form.waitFor({ state: 'hidden' });
}
