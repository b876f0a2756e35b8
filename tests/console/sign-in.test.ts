import assert from 'node:assert/strict';
import { test } from 'node:test';
import { becomeOwner, goodPassword, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

test('the set-up link creates the owner, who signs out and in again', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const context = await browser.newContext();
  const { page, complaints } = await openPage(context);
  await becomeOwner(page, place);
  const [cookie] = await context.cookies();
  assert.deepEqual(
    [cookie?.name, cookie?.httpOnly, cookie?.secure, cookie?.sameSite, cookie?.path],
    ['__Host-sallyport', true, true, 'Strict', '/'],
  );
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal((await context.cookies()).length, 0);
  await page.getByLabel('E-mail address').fill('owner@example.com');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: 'is wrong' }).waitFor();
  await page.getByLabel('Password').fill(goodPassword);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: /gateway/ }).waitFor();
  await page.goto(place.setUpLink);
  await page.getByText('This link does not work').waitFor();
  assert.doesNotMatch(page.url(), /spl_/, 'the secret is not left in the address');
  assert.deepEqual(complaints, []);
});

test('a passkey sets up the tenant and signs in, and a second passkey can be added', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const context = await browser.newContext();
  const { page, complaints } = await openPage(context);
  const authenticator = await context.newCDPSession(page);
  await authenticator.send('WebAuthn.enable');
  const { authenticatorId } = await authenticator.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.goto(place.setUpLink);
  await page.getByLabel('E-mail address').fill('owner@example.com');
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByRole('heading', { level: 1, name: /gateway/ }).waitFor();
  const { credentials } = await authenticator.send('WebAuthn.getCredentials', { authenticatorId });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0]?.rpId, 'localhost');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByRole('heading', { level: 1, name: /gateway/ }).waitFor();
  await page.getByRole('link', { name: 'My account' }).click();
  await page.locator('strong', { hasText: 'Passkey' }).waitFor();
  // Without user verification the authenticator proves possession alone, which is not enough.
  await authenticator.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByRole('alert').waitFor();
  assert.deepEqual(complaints, []);
});
