import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { followCaFile, readCaFile, type TlsTrust } from './ca-file.ts';
import { ChannelSocket } from './socket.ts';

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** A certificate authority and its certificate for `controller.test`, which is not the address of the server. */
function certificates(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-ca-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = (name: string) => join(folder, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = [
    '-x509',
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
  ];
  openssl('req', ...key, ...authority);
  openssl('req', ...key, '-subj', '/CN=controller.test', '-keyout', path('key'), '-out', path('request'));
  writeFileSync(path('names'), 'subjectAltName=DNS:controller.test\n');
  const signed = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', path('request'), ...signed, '-extfile', path('names'), '-out', path('cert.pem'));
  return path;
}

/** Returns why a channel socket to a server with that certificate closed; `welcome` if it was trusted. */
async function visit(t: TestContext, path: (name: string) => string, host: string, trust: TlsTrust | undefined) {
  const server = createServer({ key: readFileSync(path('key')), cert: readFileSync(path('cert.pem')) });
  server.on('tlsClientError', () => {});
  new WebSocketServer({ server }).on('connection', (socket) => socket.close(1000, 'welcome'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return new Promise<string>((closed) => {
    const events = { opened: () => {}, pong: () => {}, message: () => {}, closed, failed: assert.ifError };
    new ChannelSocket(
      `wss://${host}:${port}`,
      events,
      (_, options, done) => {
        const found = { address: '127.0.0.1', family: 4 };
        if (options.all) done(null, [found]);
        else done(null, found.address, found.family);
      },
      trust,
    );
  });
}

test('an authority is trusted for the names of its certificates, a certificate under any name', async (t) => {
  const path = certificates(t);
  const [authority, own] = [readCaFile(path('ca.pem')), readCaFile(path('cert.pem'))];
  assert.match(await visit(t, path, 'controller.test', undefined), /--ca-file/);
  assert.equal(await visit(t, path, 'controller.test', authority), 'welcome');
  assert.match(await visit(t, path, 'other.test', authority), /name/);
  assert.equal(await visit(t, path, 'other.test', own), 'welcome');
  const stranger = certificates(t);
  assert.match(await visit(t, path, 'controller.test', readCaFile(stranger('cert.pem'))), /--ca-file/);
});

test('a file without certificates is rejected with a clear message', (t) => {
  const path = certificates(t);
  writeFileSync(path('empty'), '');
  writeFileSync(path('cut'), readFileSync(path('cert.pem'), 'utf8').replace(/[A-Za-z0-9]{40}/, ''));
  const message = (name: string, text: RegExp) =>
    assert.throws(() => readCaFile(path(name)), { name: 'UsageError', message: text });
  message('absent', /--ca-file: .*absent cannot be read \(ENOENT\)/);
  message('empty', /holds no certificate in PEM/);
  message('key', /holds no certificate in PEM/);
  message('cut', /certificate 1 of .*cut is damaged/);
  assert.throws(() => readCaFile(path('absent'), 'SALLYPORT_CA_FILE'), /^UsageError: SALLYPORT_CA_FILE: /);
});

test('a renewed file is trusted without a restart, and a damaged one keeps the old certificates', async (t) => {
  const path = certificates(t);
  const stranger = certificates(t);
  writeFileSync(path('used'), readFileSync(stranger('ca.pem')));
  const trust = followCaFile(path('used'));
  assert.match(await visit(t, path, 'controller.test', trust()), /--ca-file/);
  writeFileSync(path('used'), readFileSync(path('ca.pem')));
  assert.equal(await visit(t, path, 'controller.test', trust()), 'welcome');
  writeFileSync(path('used'), 'damaged');
  assert.equal(await visit(t, path, 'controller.test', trust()), 'welcome');
  assert.equal(followCaFile(null)(), undefined);
});
