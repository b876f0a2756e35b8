import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { writeDeb } from '../../build/deb.ts';
import { manPage } from '../../build/man.ts';

const run = promisify(execFile);
const noDpkg = spawnSync('dpkg-deb', ['--version']).status === 0 ? false : 'needs dpkg-deb';
const root = join(import.meta.dirname, '../..');
const scripts = join(root, 'deploy/debian');

test('a Debian package has programs, units and folders of root, and equal input gives equal bytes', {
  skip: noDpkg,
}, async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'sallyport-deb-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const made = async (name: string, umask: number) => {
    const folder = join(parent, name);
    for (const part of ['bin', 'share/man']) mkdirSync(join(folder, part), { recursive: true, mode: 0o777 & ~umask });
    for (const file of ['bin/node', 'bin/sally', 'package.json', 'share/man/page'])
      writeFileSync(join(folder, file), file, { mode: 0o666 & ~umask });
    for (const file of ['bin/node', 'bin/sally']) chmodSync(join(folder, file), 0o777 & ~umask);
    const documents = [{ path: 'man/man1/sally.1.gz', text: 'page' }];
    const deb = join(parent, `${name}.deb`);
    await writeDeb(deb, { folder, version: '1.2.3', processor: 'arm64', at: 1_000_000_000, documents });
    return deb;
  };
  const deb = await made('first', 0o22);
  assert.ok(readFileSync(deb).equals(readFileSync(await made('second', 0o77))));

  const { stdout } = await run('dpkg-deb', ['--contents', deb], { env: { ...process.env, TZ: 'UTC' } });
  const lines = stdout.trim().split('\n');
  assert.deepEqual(
    lines.filter((line) => !/^[-dl]\S+ 0\/0 +\d+ 2001-09-09 01:46 \.\//.test(line)),
    [],
  );
  const listed = new Map(lines.map((line) => [line.replace(/^.* \.\//, ''), line.slice(0, 10)]));
  assert.equal(listed.get('usr/bin/sally -> ../lib/sallyport/bin/sally'), 'lrwxrwxrwx');
  assert.equal(listed.get('usr/lib/sallyport/bin/sally'), '-rwxr-xr-x');
  assert.equal(listed.get('usr/lib/sallyport/package.json'), '-rw-r--r--');
  for (const path of ['etc/sallyport/', 'var/lib/sallyport/releases/']) assert.equal(listed.get(path), 'drwxr-xr-x');
  assert.ok(![...listed.keys()].some((path) => path.startsWith('usr/lib/sallyport/share')), 'manual pages twice');
  for (const name of ['controller', 'gateway', 'client'])
    assert.ok(listed.has(`usr/lib/systemd/system/sallyport-${name}.service`), name);

  const fields = (await run('dpkg-deb', ['--field', deb])).stdout;
  assert.match(fields, /^Architecture: arm64$/m);
  for (const needed of ['nftables', 'iproute2', 'netbase', 'wireguard-tools'])
    assert.match(fields, new RegExp(`^Depends:.*\\b${needed}\\b`, 'm'));
  const unpacked = join(parent, 'unpacked');
  await run('dpkg-deb', ['--raw-extract', deb, unpacked]);
  await run('md5sum', ['--check', '--quiet', 'DEBIAN/md5sums'], { cwd: unpacked });
  const unit = readFileSync(join(unpacked, 'usr/lib/systemd/system/sallyport-gateway.service'), 'utf8');
  assert.match(unit, /^ExecStart=\/usr\/bin\/sally gateway run /m);
});

test('a unit that would win over the package is named and refused, a masked one is not', async (t) => {
  const host = mkdtempSync(join(tmpdir(), 'sallyport-preinst-'));
  t.after(() => rmSync(host, { recursive: true, force: true }));
  const preinst = () => run('sh', [join(scripts, 'preinst'), 'install'], { env: { ...process.env, DPKG_ROOT: host } });
  const unit = join(host, 'etc/systemd/system/sallyport-gateway.service');
  mkdirSync(join(unit, '../multi-user.target.wants'), { recursive: true });
  mkdirSync(`${unit}.d`);
  symlinkSync(
    '/usr/lib/systemd/system/sallyport-gateway.service',
    join(unit, '../multi-user.target.wants/sallyport-gateway.service'),
  );
  await preinst();
  for (const target of ['/opt/own.service', '/nowhere']) {
    symlinkSync(target, unit);
    await assert.rejects(
      preinst(),
      /sallyport-gateway\.service would win over the unit of this package[\s\S]+Remove it/,
    );
    rmSync(unit);
  }
  writeFileSync(unit, '[Service]\n');
  await assert.rejects(preinst(), /would win/);
  rmSync(unit);
  symlinkSync('/dev/null', unit);
  await preinst();
});

test('a manual page is the help text, as it is', async () => {
  const page = { name: 'sally-up', section: 1, about: 'connect this device', program: 'client', args: ['up'] } as const;
  const { path, text } = await manPage(page, 1_000_000_000);
  assert.equal(path, 'man/man1/sally-up.1.gz');
  const plain = gunzipSync(text).toString();
  assert.match(plain, /^\.TH SALLY-UP 1 2001-09-09 "Sallyport \d+\.\d+\.\d+"\n\.SH NAME\nsally\\-up \\- connect/);
  assert.match(plain, /\\-\\-enrolment\\-key\\-file FILE/);
});
