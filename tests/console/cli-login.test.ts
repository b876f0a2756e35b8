import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clientSecret, startProvider } from '../../apps/controller/src/testing/provider.ts';
import { becomeOwner, goodPassword, noBrowser, openBrowser, openPage, startConsole } from './browser.ts';

const main = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));

/** The real command line, with a home of its own. */
function commandLine(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [main, ...args], { env: { HOME: home, PATH: process.env.PATH } });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    const waiting: (() => void)[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        for (const look of waiting) look();
      });
    child.stdin.end();
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    /** Address that it prints for the browser. */
    const address = new Promise<string>((resolve, reject) => {
      waiting.push(() => {
        const found = /(http:\S+\/console\/cli\S+)\n/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      });
      void ended.then(() => reject(new Error(`it ended:\n${said}`)));
    });
    address.catch(() => undefined);
    return { address, ended, said: () => said };
  };
  const run = async (...args: string[]) => {
    const running = start(...args);
    return { code: await running.ended, said: running.said() };
  };
  return { start, run, stored: join(home, '.config/sallyport/config.json') };
}

test('a person signs a command line in, which then acts as the person until logout', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  const { page, complaints } = await openPage(await browser.newContext());
  await becomeOwner(page, place);
  const cli = commandLine(t);
  const login = cli.start('login', '--browser', '--no-open', '--url', place.controller.url);
  await page.goto(await login.address);
  await page.getByRole('heading', { name: /^Sign in this command line on .+\?$/ }).waitFor();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('You are signed in. You can close this page.').waitFor();
  assert.equal(await login.ended, 0, login.said());
  assert.match(login.said(), /You are owner@example\.com \(OWNER\)/);
  assert.equal(statSync(cli.stored).mode & 0o777, 0o600);
  const { sessionToken } = JSON.parse(readFileSync(cli.stored, 'utf8'));
  assert.match(sessionToken, /^sps_/);
  assert.ok(!login.said().includes(sessionToken));

  const named = await cli.run('account', 'name', '--first-name', 'Ada');
  assert.match(named.said, /E-mail +owner@example\.com\nName +Ada\nRole +OWNER/);
  assert.match((await cli.run('methods', 'list')).said, /PASSWORD/);
  assert.equal((await cli.run('gateways', 'create', 'berlin')).code, 0);
  assert.match((await cli.run('gateways', 'token', 'berlin')).said, /^sgw_[0-9a-f]{32}_[\w-]{43}/);
  const sessions = JSON.parse((await cli.run('sessions', 'list', '--json')).said) as { id: string; client: string }[];
  assert.equal(sessions.filter(({ client }) => client.startsWith('sally on ')).length, 1);
  assert.equal((await cli.run('sessions', 'end', '--others')).code, 0);
  assert.equal(JSON.parse((await cli.run('sessions', 'list', '--json')).said).length, 1);

  assert.equal((await cli.run('logout')).code, 0);
  assert.throws(() => statSync(cli.stored));
  const headers = { authorization: `Bearer ${sessionToken}` };
  assert.equal((await fetch(`${place.controller.url}/tenants/me`, { headers })).status, 401, 'the session has ended');
  assert.deepEqual(complaints, []);
});

test('a person who is not signed in signs in first, and may say no', { skip: noBrowser }, async (t) => {
  const [browser, place] = await Promise.all([openBrowser(t), startConsole(t)]);
  await becomeOwner((await openPage(await browser.newContext())).page, place);
  const { page, complaints } = await openPage(await browser.newContext());
  const cli = commandLine(t);
  const login = cli.start('login', '--browser', '--no-open', '--url', place.controller.url);
  await page.goto(await login.address);
  await page.getByLabel('E-mail address').fill('owner@example.com');
  await page.getByLabel('Password').fill(goodPassword);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: 'No', exact: true }).click();
  await page.getByText('The command line is not signed in').waitFor();
  assert.equal(await login.ended, 4);
  assert.match(login.said(), /You said no in the browser/);
  assert.throws(() => statSync(cli.stored));
  await page.goto(`${place.url}/console/cli?challenge=x&port=4000&host=laptop`);
  await page.getByRole('heading', { name: 'This address is not complete' }).waitFor();
  assert.deepEqual(complaints, []);
});

test('a person signs a command line in through a provider', { skip: noBrowser }, async (t) => {
  const args = ['--egress-allow', '127.0.0.0/8'];
  const [browser, place, provider] = await Promise.all([openBrowser(t), startConsole(t, { args }), startProvider(t)]);
  const post = async (path: string, body: object) => {
    const headers = { apikey: place.key, 'content-type': 'application/json' };
    const answer = await fetch(`${place.url}/tenants/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 201);
    return answer.json() as Promise<{ redirectUri: string }>;
  };
  const sso = { name: 'Acme SSO', issuer: provider.issuer, clientId: 'sallyport', clientSecret };
  const { redirectUri } = await post('sign-in-providers', sso);
  await provider.register('sallyport', redirectUri);
  await post('users', { email: 'jane@example.com', groups: [] });
  const cli = commandLine(t);
  const login = cli.start('login', '--browser', '--no-open', '--url', place.controller.url);
  const { page, complaints } = await openPage(await browser.newContext());
  await page.goto(await login.address);
  await page.getByRole('button', { name: 'Sign in with Acme SSO' }).click();
  await page.getByLabel('Account').fill('jane');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('You are signed in. You can close this page.').waitFor();
  assert.equal(await login.ended, 0, login.said());
  assert.match(login.said(), /You are jane@example\.com/);
  assert.deepEqual(complaints, []);
});
