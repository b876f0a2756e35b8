import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeRelease, ownProcessor, signRelease, type TestRelease, writeXz } from '@sallyport/release/testing';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { type Host, makeHost, whyNoHost } from './host.ts';

const skip = whyNoHost() ?? false;
const root = join(import.meta.dirname, '../..');
const deploy = (path: string) => readFileSync(join(root, 'deploy', path), 'utf8');
const token = 'sp1.token-of-a-test-that-must-stay-secret';

/** A program that says what it was asked, instead of Sallyport. Each call goes into a file of the host. */
const files = {
  'bin/sally':
    '#!/bin/sh\nreal=$(readlink -f "$0")\ncase "$1" in uninstall) shift; exec sh "$(dirname "$real")/../deploy/install/uninstall.sh" "$@";; esac\necho "sally $*" >>/run/calls\n[ "$1" != up ] || cat >>/run/calls\n',
  'bin/node': '#!/bin/sh\necho v24.0.0\n',
  'deploy/install/uninstall.sh': deploy('install/uninstall.sh'),
  'share/man/man1/sally.1.gz': 'page',
  'share/fish/vendor_completions.d/sally.fish': 'completion',
};

interface Place {
  readonly url: string;
  readonly folder: string;
  readonly archive: string;
  readonly key: Awaited<ReturnType<typeof makeRelease>>['key'];
  readonly host: Host;
  /** Pipes the script of the controller into a shell of the host. */
  install(args?: string, shell?: string, env?: Readonly<Record<string, string>>): ReturnType<Host['run']>;
}

async function place(t: TestContext, made: Partial<TestRelease> = {}, host?: Host): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-script-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { version = '1.2.3' } = made;
  const { key, archive } = await makeRelease(folder, { version, files, ...made });
  let url = '';
  const packages = { folder, keyFile: null };
  const { app } = await openTestApp(t, { version, packages, localUrl: () => url });
  url = await app.server.listen({ host: '127.0.0.1', port: 0 });
  const on = host ?? (await makeHost(t));
  const install = (args = '', shell = 'sh', env = {}) =>
    on.run(`curl -fsSL ${url}/install/gateway | ${shell} -s -- ${args}`, '', { SALLYPORT_TOKEN: token, ...env });
  return { url, folder, archive, key, host: on, install };
}

test('one line installs a gateway, and sally uninstall leaves nothing', { skip }, async (t) => {
  const { host, install, url } = await place(t);
  // A run that was killed left this.
  await host.run('mkdir -p /opt/sallyport/.work-4194305/left');
  const done = await install();
  assert.equal(done.code, 0, done.output);
  assert.ok(!done.output.includes(token), done.output);
  const { output } = await host.run(
    'readlink -f /usr/local/bin/sally; stat -c %a /etc/sallyport /etc/sallyport/gateway.token; cat /etc/sallyport/gateway.env /etc/sallyport/gateway.token; ls -A /opt/sallyport',
  );
  assert.deepEqual(output.trim().split('\n'), [
    '/opt/sallyport/versions/1.2.3/bin/sally',
    '700',
    '600',
    `SALLYPORT_CONTROLLER=${url}`,
    token,
    '.made-folders',
    'current',
    'versions',
  ]);
  const documents = 'cat /usr/local/share/man/man1/sally.1.gz /usr/local/share/fish/vendor_completions.d/sally.fish';
  assert.equal((await host.run(documents)).output, 'pagecompletion');
  assert.equal((await install('--allow-upgrades')).code, 0, 'a second time');
  assert.match((await install('--dry-run')).output, /let the controller upgrade this gateway/);
  assert.equal((await install()).code, 0, 'what was allowed stays allowed');
  assert.match((await host.run('cat /etc/sallyport/gateway.env')).output, /^SALLYPORT_ALLOW_UPGRADES=true$/m);
  const gone = await host.run('sally uninstall');
  assert.equal(gone.code, 0, gone.output);
  assert.deepEqual(await host.changed(), []);
  assert.match((await host.run('cat /run/calls')).output, /^sally gateway down$/m);
});

test('a dry run says what would happen and changes nothing', { skip }, async (t) => {
  const { host, install } = await place(t);
  const said = await install('--dry-run');
  assert.equal(said.code, 0, said.output);
  assert.match(said.output, /Sallyport 1\.2\.3 as a gateway .*\n.*download sallyport-1\.2\.3-linux-/);
  assert.deepEqual(await host.changed(), []);
});

test('the script works with the tools of BusyBox, without curl', { skip }, async (t) => {
  const { host, url } = await place(t);
  const tools = ['openssl', 'nft', 'ip', 'wg', 'dpkg-query'].map((tool) => `ln -s "$(command -v ${tool})" /run/tools/`);
  const prepare = `mkdir /run/box /run/tools; busybox --install -s /run/box; rm -f /run/box/ip; ${tools.join('; ')}`;
  const script = `${prepare}; PATH=/run/tools:/run/box; wget -q -O - ${url}/install/gateway | ash`;
  // A PATH that the script widens still finds the programs of this machine, so those are hidden.
  const hide = 'for one in curl wget tar xz awk mv df; do rm -f /usr/bin/$one /bin/$one; done';
  const done = await host.run(`hash -r; ${script.replace('; PATH', `; ${hide}; PATH`)}`, '', {
    SALLYPORT_TOKEN: token,
  });
  assert.equal(done.code, 0, done.output);
  assert.equal((await host.run('readlink /opt/sallyport/current')).output, 'versions/1.2.3\n');
});

test('a device connects with a key that no program gets as an argument', { skip }, async (t) => {
  const { host, url } = await place(t);
  const line = `curl -fsSL ${url}/install/client | sh -s -- --token-file /run/key`;
  const done = await host.run(`echo ${token} >/run/key; ${line}`);
  assert.equal(done.code, 0, done.output);
  const calls = (await host.run('cat /run/calls')).output;
  assert.equal(calls, `sally up --controller ${url} --enrolment-key-stdin\n${token}\n`);
  const gone = await host.run('sally uninstall client');
  assert.equal(gone.code, 0, gone.output);
  assert.deepEqual(await host.changed(), []);
});

test('without a token and a terminal, the script says so', { skip }, async (t) => {
  const { host, install } = await place(t);
  const said = await install('', 'setsid sh', { SALLYPORT_TOKEN: '' });
  assert.equal(said.code, 1);
  assert.match(said.output, /there is no terminal to ask for it: give --token-file FILE/);
  assert.deepEqual(
    (await host.changed()).filter((path) => path.startsWith('/usr/local')),
    [],
  );
  assert.equal((await install()).code, 0);
  const without = { SALLYPORT_TOKEN: '' };
  assert.equal((await install('', 'setsid sh', without)).code, 0, 'it has a token already');
  const again = await install('--new-token', 'setsid sh', without);
  assert.match(again.output, /there is no terminal to ask for it/);
});

/** What a hostile or broken controller offers, and what the script says. Nothing of it may run or stay. */
const hostile: Readonly<Record<string, { break(place: Place): unknown; says: RegExp }>> = {
  'a wrong sum': {
    break: ({ archive }) => {
      const bytes = readFileSync(archive);
      bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
      writeFileSync(archive, bytes);
    },
    says: /the sum of .* is wrong: nothing was changed/,
  },
  'a cut archive': {
    break: ({ archive }) => truncateSync(archive, statSync(archive).size - 10),
    says: /the sum of .* is wrong: nothing was changed/,
  },
  'a path outside': {
    break: (place) => forge(place, [{ path: '../../evil', mode: 0o755, holds: Buffer.from('evil') }]),
    says: /has entries that do not belong there: nothing was changed/,
  },
  'a link': {
    break: (place) => forge(place, [{ path: 'etc', mode: 0o777, holds: { link: '/etc' } }]),
    says: /has entries that do not belong there: nothing was changed/,
  },
  'another version inside': {
    break: async (place) => {
      const manifest = Buffer.from('{"version":"1.0.0"}');
      await forge(place, [{ path: 'package.json', mode: 0o644, holds: manifest }], true);
    },
    says: /holds another version: nothing was changed/,
  },
};

async function forge(
  { archive, folder, key }: Place,
  bad: Parameters<typeof writeXz>[1],
  alone = false,
): Promise<void> {
  const top = `sallyport-1.2.3-linux-${ownProcessor}`;
  const good = alone ? [] : [{ path: `${top}/package.json`, mode: 0o644, holds: Buffer.from('{"version":"1.2.3"}') }];
  const entries = [{ path: top, mode: 0o755, holds: 'folder' as const }, ...good];
  await writeXz(archive, [...entries, ...bad.map((entry) => ({ ...entry, path: `${top}/${entry.path}` }))]);
  signRelease(folder, [`${top}.tar.xz`], key);
}

test('an archive that is not what the signed list says is refused and leaves nothing', { skip }, async (t) => {
  const host = await makeHost(t);
  for (const [what, { break: spoil, says }] of Object.entries(hostile)) {
    const made = await place(t, {}, host);
    await spoil(made);
    const said = await made.install();
    assert.equal(said.code, 1, `${what}: ${said.output}`);
    assert.match(said.output, says, what);
    assert.deepEqual(await host.changed(), [], what);
    assert.equal((await host.run('ls /opt/sallyport')).code, 2, `${what}: no folder stays`);
    assert.equal((await host.run('cat /run/calls')).code, 1, what);
  }
});

test('a release with another signature is refused, also when the controller pins its key', { skip }, async (t) => {
  const first = await place(t);
  assert.equal((await first.install()).code, 0);
  const other = await place(t, { version: '1.2.4' }, first.host);
  const said = await other.install();
  assert.equal(said.code, 1, said.output);
  assert.match(said.output, /not signed by a key in \/etc\/sallyport\/release-key\.pem, which this host trusts/);
  const forged = await between(t, first.url, (path, answer, body) => {
    answer.end(path.endsWith('.sig') ? Buffer.alloc(64) : body);
  });
  await first.host.run('sally uninstall');
  const wrong = await first.host.run(
    `curl -fsSL ${forged}/install/gateway | sed "s|${first.url}|${forged}|" | sh`,
    '',
    {
      SALLYPORT_TOKEN: token,
    },
  );
  assert.match(wrong.output, /the signature of the release is wrong: nothing was changed/);
  assert.deepEqual(await first.host.changed(), []);
});

test('an older version is refused, and a newer one takes the place of the installed one', { skip }, async (t) => {
  const first = await place(t, { version: '1.9.0' });
  assert.equal((await first.install()).code, 0);
  const older = await place(t, { version: '1.8.7', key: first.key }, first.host);
  const said = await older.install();
  assert.equal(said.code, 1);
  assert.match(said.output, /version 1\.9\.0 is installed, and .* offers the older 1\.8\.7: nothing was changed/);
  const newer = await place(t, { version: '1.10.0', key: first.key }, first.host);
  const done = await newer.install();
  assert.equal(done.code, 0, done.output);
  assert.equal((await first.host.run('readlink /opt/sallyport/current')).output, 'versions/1.10.0\n');
});

test('a download that breaks off goes on, and one that always breaks off changes nothing', { skip }, async (t) => {
  const { host, url } = await place(t);
  let cuts = 0;
  const forward = async (always: boolean) => {
    const middle = await between(t, url, (path, answer, body, range) => {
      const whole = !path.endsWith('.xz') || (!always && range !== undefined);
      if (whole) answer.end(body);
      else answer.write(body.subarray(0, Math.max(1, body.length >> 1)), () => answer.destroy());
      cuts += whole ? 0 : 1;
    });
    return host.run(`curl -fsSL ${middle}/install/gateway | sed "s|${url}|${middle}|" | sh`, '', {
      SALLYPORT_TOKEN: token,
    });
  };
  const lost = await forward(true);
  assert.equal(lost.code, 1, lost.output);
  assert.match(lost.output, /could not download .*: nothing was changed/);
  assert.deepEqual(await host.changed(), []);
  const done = await forward(false);
  assert.equal(done.code, 0, done.output);
  assert.ok(cuts >= 4, String(cuts));
});

test('a script that is cut on its way does nothing', { skip }, async (t) => {
  const { host, url } = await place(t);
  const lines = (await host.run(`curl -fsSL ${url}/install/gateway`)).output.trimEnd().split('\n');
  for (const count of [lines.length - 1, lines.length >> 1, 60]) {
    await host.run('sh', lines.slice(0, count).join('\n'), { SALLYPORT_TOKEN: token });
    assert.deepEqual(await host.changed(), [], `${count} lines`);
  }
});

test('a full disk in the middle leaves the installed version as it was', { skip }, async (t) => {
  const first = await place(t);
  assert.equal((await first.install()).code, 0);
  const before = await first.host.changed();
  const large = { ...files, 'programs/large.js': Buffer.alloc(3_000_000) };
  const newer = await place(t, { version: '1.3.0', key: first.key, files: large }, first.host);
  await first.host.run(
    'mkdir /run/old && mv /opt/sallyport/* /run/old && mount -t tmpfs -o size=2m tmpfs /opt/sallyport && mv /run/old/* /opt/sallyport',
  );
  const said = await newer.install();
  assert.equal(said.code, 1, said.output);
  assert.match(said.output, /needs \d+ MiB, and has \d+ MiB free: nothing was changed/);
  const state = await first.host.run(
    'readlink /opt/sallyport/current; ls -A /opt/sallyport; sally status; cat /etc/sallyport/gateway.token',
  );
  assert.equal(state.output, `versions/1.2.3\ncurrent\nversions\n${token}\n`);
  assert.ok(before.length > 0);
});

type Answer = (path: string, answer: ServerResponse, body: Buffer, range: string | undefined) => void;

/** A server between the host and the controller, which answers as it likes. Returns its address. */
async function between(t: TestContext, url: string, respond: Answer): Promise<string> {
  const server: Server = createServer(async (request, response) => {
    const { range } = request.headers;
    const asked = await fetch(`${url}${request.url}`, { headers: range === undefined ? {} : { range } });
    const body = Buffer.from(await asked.arrayBuffer());
    const headers = ['content-range', 'content-type'].flatMap((name) => {
      const value = asked.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(asked.status, { ...Object.fromEntries(headers), 'content-length': body.length });
    respond(request.url ?? '', response, body, range);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
