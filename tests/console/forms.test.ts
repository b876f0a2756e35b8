import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { becomeOwner, type Console, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';
import { fillTenant } from './sample.ts';

test('forms of the console lose nothing, and say what a write changes', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const { page, complaints } = await openPage(await browser.newContext({ reducedMotion: 'reduce' }));
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 120_000 }, work);
  await becomeOwner(page, place);
  await fillTenant(place);
  await step('an error of the controller stands at its field, and has the focus', () => showsErrors(page, place));
  await step('changes are not lost without a question', () => asksFirst(page, place));
  await step('a conflict shows theirs and yours, field by field', () => settles(page, place));
  await step('a plan names people and resources, and its button repeats it', () => plans(page, place));
  await step('a rule is checked while it is typed, and tried for a device', () => writesRule(page, place));
  await step('roles and memberships show where they come from, and change under a plan', () =>
    changesPeople(page, place),
  );
  await step('a denied attempt leads to a policy in two clicks', () => explains(page, place));
  await step('an invitation is listed, renewed and revoked', () => invites(page, place));
  assert.deepEqual(complaints, []);
});

async function open(page: Page, { url }: Console, name: string): Promise<void> {
  await page.goto(`${url}/console/${name}`);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
}

async function api<T>({ url, key }: Console, method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(`${url}/tenants/${path}`, {
    method,
    headers: { apikey: key, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

async function idOf(place: Console, path: string, name: string): Promise<string> {
  type Row = { id: string; name?: string; email?: string };
  const answer = await api<Row[] | { data: Row[] }>(place, 'GET', `${path}?limit=100`);
  const found = (Array.isArray(answer) ? answer : answer.data).find((row) => (row.name ?? row.email) === name);
  assert.ok(found, `${name} is among ${path}`);
  return found.id;
}

async function showsErrors(page: Page, place: Console): Promise<void> {
  await open(page, place, 'gateways');
  await page.getByRole('button', { name: 'New gateway' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('another');
  await dialog.getByLabel('UDP port').fill('99999');
  await dialog.getByRole('button', { name: 'Create gateway' }).click();
  const field = dialog.getByLabel('UDP port');
  await dialog
    .locator('.field', { has: page.getByLabel('UDP port') })
    .locator('.error')
    .waitFor();
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true');
  await field.fill('51999');
  await dialog.getByRole('button', { name: 'Create gateway' }).click();
  await page.getByRole('heading', { level: 1, name: 'another' }).waitFor();
}

async function asksFirst(page: Page, place: Console): Promise<void> {
  await open(page, place, 'groups');
  await page.getByRole('button', { name: 'New group' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Night shift');
  await page.keyboard.press('Escape');
  await dialog.getByText('This form has changes that are not saved.').waitFor();
  await dialog.getByRole('button', { name: 'Keep editing' }).click();
  assert.equal(await dialog.getByLabel('Name').inputValue(), 'Night shift');
  await page.keyboard.press('Escape');
  await dialog.getByRole('button', { name: 'Discard changes' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'New group' }).click();
  assert.equal(await dialog.getByLabel('Name').inputValue(), '', 'a form begins empty again');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await open(page, place, 'my');
  await page.getByLabel('First name').fill('Olga');
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByRole('button', { name: 'Keep editing' }).click();
  assert.match(page.url(), /\/my$/);
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByRole('button', { name: 'Discard changes' }).click();
  await page.waitForURL('**/overview');
}

async function settles(page: Page, place: Console): Promise<void> {
  const id = await idOf(place, 'groups', 'Engineering');
  const before = await api<{ roles: { id: string }[] }>(place, 'GET', `groups/${id}`);
  await open(page, place, `groups/${id}`);
  await page.getByRole('button', { name: 'Edit' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Description').fill('Mine');
  await dialog.getByLabel('Devices per member').fill('9');
  const roles = before.roles.map((role) => role.id);
  await api(place, 'PUT', `groups/${id}`, { name: 'Engineers', description: 'Theirs', roles, maxDevices: 5 });
  await dialog.getByRole('button', { name: 'See what changes' }).click();
  await dialog.getByText('Another person changed this meanwhile.').waitFor();
  const choice = (name: string, whose: string) =>
    dialog.getByRole('group', { name, exact: true }).getByRole('radio', { name: new RegExp(`^${whose}`) });
  assert.ok(await choice('Name', 'Theirs').isChecked(), 'a field that only they changed takes theirs');
  assert.ok(await choice('Devices per member', 'Yours').isChecked());
  await choice('Description', 'Theirs').check();
  await dialog.getByRole('button', { name: 'Save these values' }).click();
  await dialog.getByRole('button', { name: /^Change group/ }).click();
  await dialog.waitFor({ state: 'hidden' });
  const after = await api<{ name: string; description: string; maxDevices: number }>(place, 'GET', `groups/${id}`);
  assert.deepEqual([after.name, after.description, after.maxDevices], ['Engineers', 'Theirs', 9]);
}

async function plans(page: Page, place: Console): Promise<void> {
  const anna = await idOf(place, 'users', 'anna@example.com');
  const device = await api<{ data: { id: string; name: string; user?: { id: string } }[] }>(
    place,
    'GET',
    'devices?limit=100',
  );
  const own = device.data.find(({ user }) => user?.id === anna);
  await api(place, 'POST', 'policies', {
    ...{ name: 'Laptop reaches the ERP', action: true, type: 'PRIVATE', devices: [own?.id] },
    resources: [await idOf(place, 'resources', 'ERP')],
  });
  await open(page, place, 'policies');
  await page.getByRole('button', { name: 'Delete Laptop reaches the ERP' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('listitem').filter({ hasText: 'ERP' }).filter({ hasText: 'anna@example.com' }).waitFor();
  assert.deepEqual(await dialog.locator('.figure dt').allTextContents(), ['gain', 'lose', 'unchanged']);
  assert.deepEqual((await dialog.locator('.figure dd').allTextContents()).slice(0, 2), ['0', '1']);
  await dialog.getByRole('button', { name: 'Delete policy: 1 person loses ERP' }).waitFor();
  // Another change makes the plan outdated: with the same effect the write goes on, with another one it asks again.
  const { id } = await api<{ id: string }>(place, 'POST', 'policies', {
    ...{ name: 'Everything for anna', action: true, type: 'PRIVATE', users: [anna], allResources: true },
  });
  await dialog.getByRole('button', { name: /^Delete policy/ }).click();
  await dialog.getByText('Something changed since this plan was made.').waitFor();
  await dialog.getByText('No device gains or loses access by this.').waitFor();
  await api(place, 'DELETE', `policies/${id}`);
  await dialog.getByRole('button', { name: 'Delete policy' }).click();
  await dialog.getByRole('button', { name: 'Delete policy: 1 person loses ERP' }).waitFor();
  await api(place, 'POST', 'groups', { name: 'Another change', roles: [] });
  await dialog.getByRole('button', { name: 'Delete policy: 1 person loses ERP' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Delete Laptop reaches the ERP' }).waitFor({ state: 'detached' });
}

async function writesRule(page: Page, place: Console): Promise<void> {
  await open(page, place, 'rules/new');
  await page.getByLabel('Name', { exact: true }).fill('Engineers only');
  const rule = page.getByLabel('Rule', { exact: true }).and(page.locator('textarea'));
  await rule.fill("user.department == 'Engineering' &&\n  user.salary > 3");
  await page.getByText(/^Line 2, column 8: /).waitFor();
  await page.locator('.rule-editor .wrong', { hasText: 'salary' }).waitFor();
  await rule.fill("user.department == 'Engineering'");
  await page.getByText('The text is a rule. Choose a device or a user').waitFor();
  await page.getByRole('combobox', { name: 'Device' }).fill('A laptop');
  await page.getByRole('option', { name: /^A laptop/ }).click();
  await page.getByText('The rule is not met', { exact: true }).waitFor();
  await page.locator('.conditions').getByText('not known').waitFor();
  await page.getByText('Time', { exact: true }).click();
  await rule.press('End');
  await page.getByRole('button', { name: 'Insert time.hour' }).click();
  assert.equal(await rule.inputValue(), "user.department == 'Engineering' time.hour");
  await rule.fill("user.department == 'Engineering'");
  await page.getByRole('button', { name: 'Create rule' }).click();
  await page
    .getByRole('row', { name: /Engineers only/ })
    .getByText('Not used')
    .waitFor();
}

async function changesPeople(page: Page, place: Console): Promise<void> {
  const anna = await idOf(place, 'users', 'anna@example.com');
  await open(page, place, `users/${anna}`);
  await page.getByRole('button', { name: 'Change roles' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Auditor/).check();
  await dialog.getByRole('button', { name: 'See what changes' }).click();
  await dialog.getByRole('button', { name: 'Change roles' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByText('It is set on the user.').waitFor();
  await page.getByRole('button', { name: 'Add to group' }).click();
  await dialog.getByRole('combobox', { name: 'Group' }).click();
  await dialog.getByRole('option').first().click();
  await dialog.getByRole('button', { name: /^Add to group/ }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Remove from Engineers' }).click();
  await dialog.getByRole('button', { name: /^Remove from group/ }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Remove from Engineers' }).waitFor({ state: 'detached' });
  await page.getByRole('tab', { name: 'Sessions' }).click();
  await page.getByText('anna@example.com is signed in nowhere.').waitFor();
}

async function invites(page: Page, place: Console): Promise<void> {
  await open(page, place, 'invitations');
  await page.getByRole('button', { name: 'Invite user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('E-mail address').fill('new@example.com');
  await dialog.getByRole('button', { name: 'Invite user' }).click();
  await dialog.locator('.secret code').waitFor();
  const first = await dialog.locator('.secret code').innerText();
  await dialog.getByRole('button', { name: 'Close' }).click();
  const row = page.getByRole('row', { name: /new@example\.com/ });
  await row.getByText('Link open').waitFor();
  await row.getByRole('button', { name: /^New link/ }).click();
  await dialog.getByRole('button', { name: 'Create link' }).click();
  await dialog.locator('.secret code').waitFor();
  assert.notEqual(await dialog.locator('.secret code').innerText(), first);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await row.getByRole('button', { name: /^Revoke/ }).click();
  await dialog.getByRole('button', { name: 'Revoke invitation' }).click();
  await row.getByText('Expired').waitFor();
}

async function explains(page: Page, place: Console): Promise<void> {
  const device = await idOf(place, 'devices', 'device-9');
  const protocol = { protocol: 'TCP', port: '443' };
  const asked = new URLSearchParams({ device, destination: '10.3.0.7', ...protocol });
  await open(page, place, `explain?${asked}`);
  await page.getByRole('heading', { name: /device-9 may not reach 10\.3\.0\.7/ }).waitFor();
  await page.getByText(/policies do not match$/).click();
  await page.getByText('The device is not among its sources.').first().waitFor();
  await page.getByRole('button', { name: 'Draft policy' }).click();
  const dialog = page.getByRole('dialog', { name: 'New policy' });
  assert.equal(await dialog.getByLabel('Name').inputValue(), 'device-9 to ERP');
  await dialog.getByRole('button', { name: 'See what changes' }).click();
  await dialog.getByRole('button', { name: 'Create policy: 1 device gains ERP' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('heading', { name: /device-9 may reach ERP at 10\.3\.0\.7/ }).waitFor();
  await page.getByText('The policy “device-9 to ERP” allows it.').waitFor();
}
