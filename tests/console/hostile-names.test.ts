import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { becomeOwner, type Console, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

/** Each would set `window.stolen` where a page took it for markup, for an address, or for code. */
const hostile = [
  '<img src=x onerror="window.stolen=1">',
  '<script>window.stolen=1</script>',
  '"><svg onload=window.stolen=1>',
  'javascript:window.stolen=1',
  '{{constructor.constructor("window.stolen=1")()}}',
  '</title><iframe srcdoc="<script>parent.stolen=1</script>">',
  "' onmouseover='window.stolen=1' x='",
  '<a href="javascript:window.stolen=1">Open</a>',
  '</script><script>window.stolen=1</script>',
  '</textarea><img src=x onerror=window.stolen=1>',
  '<math><mtext><img src=x onerror=window.stolen=1></mtext></math>',
  '<style>@import "http://127.0.0.1:9/x.css";</style>',
  '<base href="http://127.0.0.1:9/">',
  '<meta http-equiv="refresh" content="0;url=http://127.0.0.1:9/">',
  '`+(window.stolen=1)+`',
  '<form action="http://127.0.0.1:9/"><button>Sign in',
];

test('nothing that a name says runs, on any page', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1440, height: 900 } });
  const { page, complaints } = await openPage(context);
  const left: string[] = [];
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== place.url) left.push(request.url());
  });
  page.on('dialog', (dialog) => left.push(`dialog: ${dialog.message()}`));
  await becomeOwner(page, place);
  const step = (name: string, work: (t: TestContext) => Promise<void>) => t.test(name, { timeout: 180_000 }, work);
  const lists = ['gateways', 'devices', 'resources', 'policies', 'groups', 'rules'];
  const made = Object.fromEntries(lists.map((list): [string, string[]] => [list, []]));
  await step('every kind of object takes the names', () => nameEverything(place, made));

  await step('lists and forms show them as text', async () => {
    for (const name of pages) await look(page, place, name);
    for (const list of ['gateways', 'devices', 'groups', 'rules'])
      await shows(page, place, list, list === 'gateways' || list === 'devices' ? hostile : hostile.slice(0, 3));
  });
  await step('so do panels, histories and lines of code', async () => {
    for (const [list, ids] of Object.entries(made))
      for (const id of ids.slice(0, 1))
        for (const tab of ['', '&tab=history', '&tab=code']) await look(page, place, `${list}?id=${id}${tab}`);
  });
  await step('so do the pages of objects', async () => {
    for (const [list, ids] of Object.entries(made))
      for (const id of ids.slice(2, 4)) await look(page, place, `${list}/${id}`);
  });
  await step('so do a plan, and the search', async () => {
    await look(page, place, `gateways/${made.gateways?.[0]}`);
    await page.getByRole('button', { name: 'Delete gateway' }).click();
    await page
      .getByRole('dialog')
      .getByText(/gains or loses access|loses?/)
      .first()
      .waitFor();
    await holds(page, 'the plan');
    await look(page, place, 'overview');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('window.stolen');
    await page.getByRole('option').first().waitFor();
    await holds(page, 'the search');
  });
  await step('so does the page where people sign in', async () => {
    await context.clearCookies();
    await page.goto(`${place.url}/console/sign-in`);
    await page.getByRole('button', { name: hostile[0] ?? '' }).waitFor();
    await holds(page, 'sign-in');
  });
  assert.deepEqual(complaints, []);
  assert.deepEqual(left, []);
});

const pages = [
  'overview',
  ...['gateways', 'devices', 'resources', 'policies', 'rules', 'explain', 'users', 'groups', 'invitations'],
  ...['audit', 'settings', 'my-devices', 'my-account', 'policies?type=INTERNET', 'gateways?q=<script>window.stolen=1'],
];

async function look(page: Page, { url }: Console, name: string): Promise<void> {
  await page.goto(`${url}/console/${name}`);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
  await holds(page, name);
}

/** Nothing ran, and no markup of ours is in the page: the console has none of these elements. */
async function holds(page: Page, name: string): Promise<void> {
  assert.equal(await page.evaluate('window.stolen'), undefined, name);
  const found = 'iframe, math, base, [onerror], [onload], [onmouseover], a[href^="javascript:"], body script';
  assert.deepEqual(await page.locator(found).allTextContents(), [], name);
}

async function shows(page: Page, place: Console, list: string, names: readonly string[]): Promise<void> {
  await look(page, place, list);
  for (const name of names) await page.getByText(name, { exact: true }).first().waitFor();
}

/** Makes objects of every kind with every hostile name. `made` gets their ids by the list of the console. */
async function nameEverything(place: Console, made: Record<string, string[]>): Promise<void> {
  const { id: user } = await post(place, '/users', { email: 'ben@example.com', groups: [] });
  await send(place, 'PUT', `/users/${user}`, { firstName: hostile[0], lastName: hostile[2], department: hostile[4] });
  await send(place, 'PATCH', '/settings', { name: hostile[1] });
  const protocols = await anyProtocol(place);
  for (const [i, name] of hostile.entries()) {
    const keep = async (list: string, path: string, body: object) => {
      const { id } = await post(place, path, body);
      made[list]?.push(id);
      return id;
    };
    await keep('gateways', '/gateways', { name, description: name, wireguardPort: '51820' });
    await keep('groups', '/groups', { name, roles: [], description: name });
    const { x = '' } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
    const publicKey = Buffer.from(x, 'base64url').toString('base64');
    await keep('devices', '/devices', { name, publicKey, hardwareId: name, ...(i < 3 ? { user } : {}) });
    const addresses = [{ address: `10.9.${i}.0/24`, protocols }];
    await keep('resources', '/resources', { name: name.slice(0, 40), description: name, type: 'PRIVATE', addresses });
    await keep('policies', '/policies', { name, action: true, type: 'PRIVATE', users: [user], allResources: true });
    await keep('rules', '/admission-rules', {
      name,
      rule: `user.department == ${JSON.stringify(name)}`,
      hasTimeConstraint: false,
    });
    await post(place, '/api-keys', { name, role: 'AUDITOR' });
    await post(place, '/enrolment-keys', { name });
    const provider = { name, label: name, issuer: `https://127.0.0.1:${i + 1}`, clientId: name, clientSecret: 'x' };
    if (i < 4) await post(place, '/sign-in-providers', provider);
  }
}

const post = (place: Console, path: string, body: object) => send(place, 'POST', path, body);

async function send({ url, key }: Console, method: string, path: string, body: object): Promise<{ id: string }> {
  const answer = await fetch(`${url}/tenants${path}`, {
    method,
    headers: { apikey: key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${path}: ${answer.status} ${text}`);
  return text === '' ? { id: '' } : JSON.parse(text);
}

async function anyProtocol({ url, key }: Console): Promise<string[]> {
  const answer = await fetch(`${url}/tenants/protocols`, { headers: { apikey: key } });
  const all = (await answer.json()) as { id: string }[] | { data: { id: string }[] };
  return [(Array.isArray(all) ? all : all.data)[0]?.id ?? ''];
}
