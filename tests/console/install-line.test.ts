import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { makeRelease } from '@sallyport/release/testing';
import { becomeOwner, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

test('gateways and devices are installed by one line when the controller has archives', {
  skip: noBrowser,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-console-release-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await makeRelease(folder, { version });
  const browser = await openBrowser(t);
  const place = await startConsole(t, { args: ['--install-dir', folder] });
  const { page, complaints } = await openPage(await browser.newContext({ reducedMotion: 'reduce' }));
  await becomeOwner(page, place);
  await page.goto(`${place.url}/console/gateways`);
  await page.getByRole('button', { name: 'New gateway' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'New gateway' });
  await dialog.getByLabel('Name').fill('office');
  await dialog.getByRole('button', { name: 'Create gateway' }).click();
  await page.getByRole('button', { name: 'In one line', pressed: true }).waitFor();
  const line = await page.locator('.codeblock').innerText();
  assert.match(line, /^curl -fsSL http:\/\/\S+\/install\/gateway \| sudo sh$/);
  const script = await fetch(line.split(' ')[2] ?? '');
  assert.equal(script.status, 200);
  assert.match(await script.text(), /^#!\/bin\/sh\n/);
  await page.goto(`${place.url}/console/settings`);
  await page.getByRole('button', { name: 'New enrolment key' }).click();
  await page.getByRole('button', { name: 'Create enrolment key' }).click();
  await page
    .locator('.codeblock')
    .getByText(/install\/client \| sudo sh/)
    .waitFor();
  assert.deepEqual(complaints, []);
});
