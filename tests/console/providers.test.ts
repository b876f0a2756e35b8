import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientSecret, startProvider } from '../../apps/controller/src/testing/provider.ts';
import { becomeOwner, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

test('an owner sets a provider up, and an invited person signs in through it', { skip: noBrowser }, async (t) => {
  const args = ['--egress-allow', '127.0.0.0/8'];
  const [browser, place, provider] = await Promise.all([openBrowser(t), startConsole(t, { args }), startProvider(t)]);
  const { page, complaints } = await openPage(await browser.newContext());
  await becomeOwner(page, place);
  await page.goto(`${place.url}/console/settings`);
  await page.getByRole('button', { name: 'New provider' }).click();
  const form = page.getByRole('dialog', { name: 'New sign-in provider' });
  await form.getByLabel('Name', { exact: true }).fill('Acme SSO');
  await form.getByLabel('Issuer').fill(provider.issuer);
  await form.getByLabel('Client id').fill('sallyport');
  await form.getByLabel('Client secret').fill(clientSecret);
  await form.getByRole('button', { name: 'Create provider' }).click();
  const setUp = page.getByRole('dialog', { name: 'Set up Acme SSO' });
  const redirectUri = await setUp.locator('code').first().textContent();
  assert.match(redirectUri ?? '', /^http:\/\/localhost:\d+\/console\/return\/[0-9a-f-]{36}$/);
  await provider.register('sallyport', redirectUri ?? '');
  await setUp.getByRole('button', { name: 'Check provider' }).click();
  await setUp.getByText('People can sign in through it').waitFor();
  const invited = await fetch(`${place.url}/tenants/users`, {
    method: 'POST',
    headers: { apikey: place.key, 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'jane@example.com', groups: [] }),
  });
  assert.equal(invited.status, 201);

  const context = await browser.newContext();
  const jane = await openPage(context);
  await jane.page.goto(`${place.url}/console/my`);
  await jane.page.getByRole('button', { name: 'Sign in with Acme SSO' }).click();
  await jane.page.getByLabel('Account').fill('jane');
  await jane.page.getByRole('button', { name: 'Sign in' }).click();
  await jane.page.getByRole('heading', { name: 'My account' }).waitFor();
  await jane.page.getByRole('heading', { name: 'jane@example.com' }).waitFor();
  await jane.page.locator('strong', { hasText: 'Acme SSO' }).waitFor();
  assert.doesNotMatch(jane.page.url(), /code=|state=/);
  const names = (await context.cookies(place.url)).map(({ name }) => name);
  assert.deepEqual(names, ['__Host-sallyport'], 'the return cookie is gone');
  await jane.page.goto(`${place.url}/console/return/${(redirectUri ?? '').slice(-36)}?code=x&state=y`);
  await jane.page.getByRole('alert').filter({ hasText: 'began no sign-in' }).waitFor();
  assert.deepEqual([...complaints, ...jane.complaints], []);
});

test('the owner links an own account at a provider', { skip: noBrowser }, async (t) => {
  const args = ['--egress-allow', '127.0.0.0/8'];
  const [browser, place, provider] = await Promise.all([openBrowser(t), startConsole(t, { args }), startProvider(t)]);
  const body = { name: 'Acme SSO', issuer: provider.issuer, clientId: 'sallyport', clientSecret };
  const made = await fetch(`${place.url}/tenants/sign-in-providers`, {
    method: 'POST',
    headers: { apikey: place.key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { redirectUri } = (await made.json()) as { redirectUri: string };
  await provider.register('sallyport', redirectUri);
  const { page, complaints } = await openPage(await browser.newContext());
  await becomeOwner(page, place);
  await page.goto(`${place.url}/console/my`);
  await page.getByRole('button', { name: 'Link Acme SSO' }).click();
  await page.getByLabel('Account').fill('mallory');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('strong', { hasText: 'Acme SSO' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in with Acme SSO' }).click();
  await page.getByRole('heading', { level: 1, name: /gateway/ }).waitFor();
  assert.deepEqual(complaints, []);
});
