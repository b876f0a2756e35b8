import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';

/** Chromium of Debian and Ubuntu, which set-up installs for the tests. */
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

/** Why pages cannot be tested here, or false. */
export const noBrowser: string | false =
  executablePath === undefined ? 'Chromium is missing: apt-get install -y chromium' : false;

/** Starts Chromium without a window. Ends with the test. `inside`: names the program that starts the one given. */
export async function openBrowser(
  t: Pick<TestContext, 'after'>,
  inside: (program: string) => string = (program) => program,
): Promise<Browser> {
  const args = ['--disable-background-networking', '--disable-component-update', '--no-first-run'];
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: inside(executablePath ?? ''), args: [...args, ...sandbox] });
  t.after(() => browser.close());
  return browser;
}

/** A controller with an empty database, and its set-up link. */
export interface Console {
  readonly controller: ControllerProcess;
  readonly dataDir: string;
  /** Address for browsers: `http://localhost:PORT`. */
  readonly url: string;
  readonly setUpLink: string;
  readonly key: string;
}

/** `prefix`: a program that runs the controller, with its arguments. `args`: further arguments of the controller. */
export async function startConsole(
  t: Pick<TestContext, 'after'>,
  { prefix = [], args = [] }: { prefix?: readonly string[]; args?: readonly string[] } = {},
): Promise<Console> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-console-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const controller = await ControllerProcess.start(t, dataDir, args, {}, prefix);
  const setUpLink = readFileSync(join(dataDir, 'set-up-link'), 'utf8').trim();
  const key = controller.printedKey;
  if (key === null) throw new Error(`it printed no API key:\n${controller.stdout}\n${controller.stderr}`);
  return { controller, dataDir, url: new URL(setUpLink).origin, setUpLink, key };
}

/** A page that records every error and every violation of the content security policy. */
export async function openPage(context: BrowserContext): Promise<{ page: Page; complaints: string[] }> {
  const page = await context.newPage();
  // Only a failing test waits this long. A busy machine is many times slower.
  page.setDefaultTimeout(120_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' && !/Content.Security.Policy/i.test(message.text())) return;
    // The page shows a refused request; it is an expected answer.
    if (/Failed to load resource: the server responded with a status of 4\d\d/.test(message.text())) return;
    complaints.push(`${message.type()}: ${message.text()}`);
  });
  return { page, complaints };
}

export const goodPassword = 'umbrella cactus violin';

/** Opens the set-up link and becomes the owner with a password. */
export async function becomeOwner(page: Page, { setUpLink }: Console, email = 'owner@example.com'): Promise<void> {
  await page.goto(setUpLink);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Or choose a password').fill(goodPassword);
  await page.getByRole('button', { name: 'Use the password' }).click();
  await page.getByRole('heading', { level: 1, name: /gateway|attention/ }).waitFor();
}
