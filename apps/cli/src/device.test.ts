import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { privateKeyPlaceholder } from '@sallyport/contract';
import { parseConfiguration, publicKeyOf } from '@sallyport/wireguard';
import { configurationFileName, outdatedLines } from './device-file.ts';
import { type ApiServer, problem, startApi } from './testing/api-server.ts';
import { configuration, device, page, uuid } from './testing/fixtures.ts';
import { folder, sally, spawnSally } from './testing/run.ts';

/** Lets the server remember the public key that a device was registered with. */
async function startWithDevice(t: Parameters<typeof startApi>[0]): Promise<ApiServer> {
  const api = await startApi(t);
  let publicKey: string | undefined;
  const present = () => device(51, "Anna's phone", publicKey);
  api.replies.set('createDevice', ({ body }) => {
    publicKey = (body as { publicKey: string }).publicKey;
    return { status: 201, body: present() };
  });
  api.replies.set('getDevice', () => ({ body: present() }));
  api.replies.set('listDevices', () => ({ body: page([present()]) }));
  return api;
}

const keyIn = (text: string): string => /PrivateKey = (\S+)/.exec(text)?.[1] ?? '';

test('device add writes the key to a file for its owner only, and not to requests', async (t) => {
  const api = await startWithDevice(t);
  const dir = await folder(t);
  const outcome = await spawnSally(api, ['device', 'add', "Anna's phone"], dir);
  assert.equal(outcome.code, 0, outcome.err);
  assert.deepEqual(await readdir(dir), ['Anna-s-phone.conf']);
  const path = join(dir, 'Anna-s-phone.conf');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const text = await readFile(path, 'utf8');
  const key = keyIn(text);
  assert.equal(text, configuration.replace(privateKeyPlaceholder, key));
  assert.equal(parseConfiguration(text).peers.length, 1);
  const [create] = api.seen;
  assert.deepEqual(create?.body, { name: "Anna's phone", publicKey: publicKeyOf(key) });
  const hex = Buffer.from(key, 'base64').toString('hex');
  for (const seen of api.seen) {
    const whole = JSON.stringify(seen);
    assert.ok(!whole.includes(key) && !whole.includes(hex) && !whole.includes(key.slice(0, 20)));
  }
  assert.ok(!`${outcome.out}${outcome.err}`.includes(key), 'nor is it printed');
});

test('device add in a git work tree writes to the folder for devices, and device config finds it there', async (t) => {
  const api = await startWithDevice(t);
  const [home, tree] = [await folder(t), await folder(t)];
  await mkdir(join(tree, '.git'));
  await mkdir(join(tree, 'inner'));
  const env = { HOME: home };
  const add = await spawnSally(api, ['device', 'add', "Anna's phone"], join(tree, 'inner'), { env });
  assert.equal(add.code, 0, add.err);
  assert.deepEqual([await readdir(tree), await readdir(join(tree, 'inner'))], [['.git', 'inner'], []]);
  const path = join(home, '.config/sallyport/devices/Anna-s-phone.conf');
  assert.ok(add.err.includes(`is in ${path} (only you can read it)`), add.err);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(home, '.config/sallyport/devices'))).mode & 0o777, 0o700);
  const show = await spawnSally(api, ['device', 'config', "Anna's phone"], tree, { env });
  assert.ok(show.err.includes(`${path} is up to date`), show.err);
  const renewed = join(home, 'renewed.conf');
  const out = await spawnSally(api, ['device', 'config', "Anna's phone", '--out', renewed], tree, { env });
  assert.equal(out.code, 0, out.err);
  assert.equal(await readFile(renewed, 'utf8'), await readFile(path, 'utf8'));
});

test('device add in a git work tree, without a home folder, asks for a file and registers nothing', async (t) => {
  const api = await startWithDevice(t);
  const tree = await folder(t);
  await mkdir(join(tree, '.git'));
  const outcome = await spawnSally(api, ['device', 'add', 'a'], tree, { env: { HOME: '' } });
  assert.equal(outcome.code, 2);
  assert.match(outcome.err, /part of a git work tree\nHint: Name a file: --out FILE/);
  assert.deepEqual([api.seen.length, await readdir(tree)], [0, ['.git']]);
  assert.equal((await spawnSally(api, ['device', 'add', 'a', '--out', 'a.conf'], tree)).code, 0);
  assert.deepEqual(await readdir(tree), ['.git', 'a.conf']);
});

test('device add does not replace a file, and then registers nothing', async (t) => {
  const api = await startWithDevice(t);
  const dir = await folder(t);
  await writeFile(join(dir, 'a.conf'), 'mine');
  const outcome = await spawnSally(api, ['device', 'add', 'a', '--out', 'a.conf'], dir);
  assert.equal(outcome.code, 5);
  assert.match(outcome.err, /already exists\nHint: .*--force/);
  assert.deepEqual([api.seen.length, await readFile(join(dir, 'a.conf'), 'utf8')], [0, 'mine']);
  await chmod(join(dir, 'a.conf'), 0o644);
  assert.equal((await spawnSally(api, ['device', 'add', 'a', '--out', 'a.conf', '--force'], dir)).code, 0);
  assert.match(await readFile(join(dir, 'a.conf'), 'utf8'), /^\[Interface\]/);
  assert.equal((await stat(join(dir, 'a.conf'))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(dir), ['a.conf']);
});

test('device add that is refused leaves no file', async (t) => {
  const api = await startApi(t);
  api.replies.set('createDevice', () => problem(409, 'overlay_exhausted'));
  const dir = await folder(t);
  assert.equal((await spawnSally(api, ['device', 'add', 'a'], dir)).code, 5);
  assert.deepEqual(await readdir(dir), []);
});

test('the key of a registered device is never lost, and the error says how to continue', async (t) => {
  const api = await startWithDevice(t);
  api.replies.set('getDeviceConfiguration', () => problem(500, 'internal'));
  const dir = await folder(t);
  const outcome = await spawnSally(api, ['device', 'add', 'a'], dir);
  assert.equal(outcome.code, 1);
  const staged = /private key is in (\S+)\./.exec(outcome.err)?.[1] ?? '';
  assert.equal((await stat(staged)).mode & 0o777, 0o600);
  api.replies.delete('getDeviceConfiguration');
  const rescue = ['device', 'config', uuid(51), '--private-key-file', staged, '--out', 'a.conf'];
  assert.equal((await spawnSally(api, rescue, dir)).code, 0);
  const key = keyIn(await readFile(join(dir, 'a.conf'), 'utf8'));
  assert.deepEqual(api.seen[0]?.body, { name: 'a', publicKey: publicKeyOf(key) });
});

test('a configuration without the placeholder for the key is refused', async (t) => {
  const api = await startWithDevice(t);
  api.replies.set('getDeviceConfiguration', () => ({
    body: { revision: 'x', text: '[Interface]\nPrivateKey = other\n' },
  }));
  assert.match((await sally(api, ['device', 'add', 'a', '--out', '-'])).err, /no placeholder for the private key/);
});

test('the QR code appears only on terminals, and a message says when it does not fit', async (t) => {
  const api = await startWithDevice(t);
  const dir = await folder(t);
  const add = (name: string, args: string[], columns = 200, tty = true) =>
    sally(api, ['device', 'add', name, '--out', join(dir, name), ...args], { tty, columns });
  assert.match((await add('a', [])).out, /\u001b\[97;40m[█▀▄ ]+\u001b\[0m/);
  assert.doesNotMatch((await add('b', ['--no-qr'])).out, /█/);
  assert.doesNotMatch((await add('c', [], 200, false)).out, /█/);
  assert.match((await add('d', ['--qr'], 200, false)).out, /\n█[█▀▄ ]+█\n/);
  assert.match((await add('e', [], 30)).out, /needs a terminal of [0-9]+ columns; this one has 30/);
});

test('device add explains how to give a device access that has none', async (t) => {
  const api = await startWithDevice(t);
  const text = configuration.slice(0, configuration.indexOf('\n[Peer]'));
  api.replies.set('getDeviceConfiguration', () => ({ body: { revision: 'r0', text } }));
  const outcome = await sally(api, ['device', 'add', "Anna's phone", '--out', '-']);
  assert.match(outcome.err, /This device reaches nothing yet[\s\S]*--device 'Anna'\\''s phone' --resource/);
  assert.equal(outcome.out, text.replace(privateKeyPlaceholder, keyIn(outcome.out)));
});

test('device add with --public-key creates no key', async (t) => {
  const api = await startWithDevice(t);
  const publicKey = Buffer.alloc(32, 9).toString('base64');
  const dir = await folder(t);
  assert.equal((await spawnSally(api, ['device', 'add', 'a', '--public-key', publicKey], dir)).code, 0);
  assert.deepEqual([api.seen[0]?.body, await readdir(dir)], [{ name: 'a', publicKey }, []]);
});

test('device config checks, finds the stored key, and renews in place', async (t) => {
  const api = await startWithDevice(t);
  const dir = await folder(t);
  const inDir = (...args: string[]) => spawnSally(api, ['device', 'config', "Anna's phone", ...args], dir);
  await spawnSally(api, ['device', 'add', "Anna's phone"], dir);
  const path = join(dir, 'Anna-s-phone.conf');
  const before = await readFile(path, 'utf8');
  const key = keyIn(before);

  const current = await inDir('--check', path);
  assert.deepEqual([current.code, current.out], [0, `${path} is up to date (revision r1).\n`]);
  const shown = await inDir();
  assert.equal(shown.out, configuration, 'printed with the placeholder');
  assert.match(shown.err, /Revision r1\nAnna-s-phone\.conf is up to date/);

  const next = configuration.replace('10.0.0.5/32', '10.0.0.5/32, 10.0.0.6/32');
  api.replies.set('getDeviceConfiguration', () => ({ body: { revision: 'r2', text: next } }));
  const outdated = await inDir('--check', path);
  assert.equal(outdated.code, 1);
  assert.equal(outdated.out, '- AllowedIPs = 10.0.0.5/32\n+ AllowedIPs = 10.0.0.5/32, 10.0.0.6/32\n');
  assert.match(outdated.err, /outdated: the current revision is r2/);
  assert.match((await inDir()).err, /Anna-s-phone\.conf is outdated/);

  assert.equal((await inDir('--out', path)).code, 0);
  assert.equal(await readFile(path, 'utf8'), next.replace(privateKeyPlaceholder, key));
  assert.equal((await inDir('--check', path, '--json')).code, 0);
  assert.equal((await inDir('--out', 'copy.conf')).code, 0, 'the key comes from the usual file');
  assert.ok(!api.seen.some((seen) => JSON.stringify(seen).includes(key)));
});

test('device config refuses another key, no key, or a foreign file', async (t) => {
  const api = await startWithDevice(t);
  const dir = await folder(t);
  await spawnSally(api, ['device', 'add', 'a', '--out', 'a.conf'], dir);
  const inDir = (...args: string[]) => spawnSally(api, ['device', 'config', uuid(51), ...args], dir);
  await writeFile(join(dir, 'other.key'), `${Buffer.alloc(32, 3).toString('base64')}\n`);
  await writeFile(join(dir, 'no.key'), 'hello');
  const other = await inDir('--private-key-file', 'other.key', '--out', 'b.conf');
  assert.deepEqual([other.code, /does not belong to this device/.test(other.err)], [5, true]);
  assert.equal((await inDir('--private-key-file', 'no.key', '--out', 'b.conf')).code, 2);
  assert.equal((await inDir('--out', 'b.conf')).code, 3);
  assert.equal((await inDir('--check', 'absent.conf')).code, 3);
  const onto = await inDir('--private-key-file', 'a.conf', '--out', 'other.key');
  assert.equal(onto.code, 5, 'a file with another key is not replaced');
  assert.deepEqual((await readdir(dir)).toSorted(), ['a.conf', 'no.key', 'other.key']);
});

test('file names are valid for wg-quick and stay in the folder', () => {
  assert.deepEqual(
    ['anna', "Anna's phone", '../../etc/passwd', 'Zoë', '日本', '-rf', 'a-very-long-device-name'].map(
      configurationFileName,
    ),
    ['anna.conf', 'Anna-s-phone.conf', 'etc-passwd.conf', 'Zoe.conf', 'device.conf', 'rf.conf', 'a-very-long-dev.conf'],
  );
});

test('comments, blanks and the private key do not make a file outdated', () => {
  const stored = configuration.replace(privateKeyPlaceholder, 'k').replace('MTU = 1280', '# mine\nMTU=1280');
  assert.deepEqual(outdatedLines(stored, configuration), []);
  assert.deepEqual(outdatedLines(stored.replace('MTU=1280', 'MTU = 1400'), configuration), [
    '- MTU = 1400',
    '+ MTU = 1280',
  ]);
});

test('device config and add show notes of the controller', async (t) => {
  const api = await startWithDevice(t);
  const notes = ['Outside of the tunnel: 203.0.113.20\u001b[2J'];
  api.replies.set('getDeviceConfiguration', () => ({ body: { revision: 'r1', text: configuration, notes } }));
  for (const args of [
    ['config', uuid(51)],
    ['add', 'a', '--out', '-'],
  ]) {
    const { err } = await sally(api, ['device', ...args]);
    assert.match(err, /^Note: Outside of the tunnel: 203\.0\.113\.20/m);
    assert.ok(!err.includes('\u001b'));
  }
});

test('device config and add pass --no-ipv6 to the controller, and a stored file keeps it', async (t) => {
  const api = await startWithDevice(t);
  const dir = await folder(t);
  const full = configuration.replace('100.64.0.2/32', '100.64.0.2/32, fd00::2/128');
  api.replies.set('getDeviceConfiguration', ({ url }) => {
    const six = !url.endsWith('?ipv6=false');
    return { body: { revision: six ? 'r6' : 'r4', text: six ? full : configuration } };
  });
  const inDir = async (...args: string[]) => {
    const outcome = await spawnSally(api, ['device', ...args], dir);
    assert.equal(outcome.code, 0, outcome.err);
    return outcome;
  };
  const stored = () => readFile(join(dir, 'a.conf'), 'utf8');
  await inDir('add', 'a', '--no-ipv6', '--out', 'a.conf');
  assert.doesNotMatch(await stored(), /fd00::2/);
  assert.match((await inDir('config', uuid(51), '--check', 'a.conf')).out, /up to date \(revision r4\)/);
  await inDir('config', uuid(51), '--out', 'a.conf');
  assert.doesNotMatch(await stored(), /fd00::2/);
  assert.doesNotMatch((await inDir('config', uuid(51), '--no-ipv6')).out, /fd00::2/);
  await inDir('config', uuid(51), '--ipv6', '--out', 'a.conf');
  assert.match(await stored(), /fd00::2/);
  assert.match((await inDir('config', uuid(51), '--check', 'a.conf')).out, /up to date \(revision r6\)/);
});
