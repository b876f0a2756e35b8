import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { becomeOwner, type Console, openBrowser, openPage, startConsole } from './browser.ts';
import { openKit } from './kit.ts';
import { fillTenant } from './sample.ts';

/*
 * npm run screenshots [-- FOLDER]: every page at three widths, light and dark, empty and with a filled tenant; and the
 * parts that pages are made of.
 * npm run screenshots -- --docs: only the pictures of the README.
 */
const docs = process.argv[2] === '--docs';
const folder = docs ? 'docs/pictures' : (process.argv[2] ?? 'bench/results/screenshots');
const ends: (() => unknown)[] = [];
const t = { after: (work: () => unknown) => ends.push(work) } as never;
const pages = [
  'overview',
  'gateways',
  'gateway',
  'devices',
  'resources',
  'policies',
  'rules',
  'rules/new',
  'explain',
  'users',
  'invitations',
  'groups',
  'audit',
  'settings',
  'my-devices',
  'my',
];
const sizes = [
  [390, 844],
  [1024, 768],
  [1440, 900],
] as const;

try {
  const browser = await openBrowser(t);
  const place = await startConsole(t);
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const { page, complaints } = await openPage(context);
  await becomeOwner(page, place);
  const take = async (name: string, path: string, file: string, fullPage: boolean) => {
    await page.goto(`${place.url}/console/${path}`);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
    await page.screenshot({ path: join(folder, file, `${name}.png`), fullPage });
  };
  if (docs) {
    mkdirSync(folder, { recursive: true });
    await page.setViewportSize({ width: 1024, height: 480 });
    await take('first-steps', 'overview', '', false);
    await fillTenant(place);
    await take('policies', 'policies', '', false);
  } else {
    for (const state of ['empty', 'filled']) {
      const gateway = state === 'filled' ? await fillTenant(place) : null;
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        mkdirSync(join(folder, state, colorScheme), { recursive: true });
        for (const [width, height] of sizes) {
          await page.setViewportSize({ width, height });
          for (const name of pages) {
            if (name === 'gateway' && gateway === null) continue;
            const path = name === 'gateway' ? `gateways/${gateway}` : name;
            await take(`${name.replaceAll('/', '-')}-${width}`, path, join(state, colorScheme), true);
          }
          for (const [name, path] of gateway === null ? [] : await objectsOf(place))
            await take(`${name}-${width}`, path, join(state, colorScheme), true);
        }
      }
    }
  }
  if (!docs) {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(await openKit(t));
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.screenshot({ path: join(folder, 'console-kit.png'), fullPage: true });
  }
  if (complaints.length > 0) process.stderr.write(`${complaints.join('\n')}\n`);
  process.stdout.write(`Wrote the pictures to ${folder}.\n`);
} finally {
  for (const end of ends.reverse()) await end();
}

/** One object of each kind that has a page of its own, and an explanation. */
async function objectsOf({ url, key }: Console): Promise<(readonly [name: string, path: string])[]> {
  type Row = { readonly id: string; readonly name?: string; readonly email?: string; readonly type?: string };
  const find = async (kind: string, fits: (row: Row) => boolean): Promise<string> => {
    const answer = await fetch(`${url}/tenants/${kind}`, { headers: { apikey: key } });
    const body = (await answer.json()) as Row[] | { data: Row[] };
    return (Array.isArray(body) ? body : body.data).find(fits)?.id ?? '';
  };
  const [rule, user, group, resource, laptop, other] = await Promise.all([
    find('admission-rules', ({ type }) => type === 'CUSTOM'),
    find('users?limit=100', ({ email }) => email === 'anna@example.com'),
    find('groups?limit=100', ({ name }) => name === 'Engineering'),
    find('resources?limit=100', ({ name }) => name === 'Wiki'),
    find('devices?limit=100', ({ name = '' }) => name.startsWith('A laptop')),
    find('devices?limit=100', ({ name }) => name === 'device-9'),
  ]);
  const denied = 'destination=10.1.0.7&protocol=TCP&port=443';
  return [
    ['rule', `rules/${rule}`],
    ['user', `users/${user}`],
    ['user-sessions', `users/${user}?tab=sessions`],
    ['group', `groups/${group}`],
    ['resource', `resources/${resource}`],
    ['explain-rule', `explain?device=${laptop}&${denied}`],
    ['explain-denied', `explain?device=${other}&${denied}`],
  ];
}
