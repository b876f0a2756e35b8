import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, type TestContext, test } from 'node:test';
import { selfSigned, selfSignedBetween } from './testing/certificates.ts';
import { ControllerProcess, testFolder } from './testing/controller-process.ts';

interface Trouble {
  readonly args?: readonly string[];
  readonly dataDir?: string;
  /** Program that runs the controller. */
  readonly prefix?: readonly string[];
  /** What the operator reads: which setting, what is wrong, what to do. */
  readonly says: RegExp;
}

const isRoot = process.geteuid?.() === 0;
const nobody = 65_534;
/** As a user without rights, where this test may choose. */
const asNobody = isRoot ? ['setpriv', '--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups'] : [];
const firstFreePort = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));

function ofNobody(path: string): string {
  if (isRoot) chownSync(path, nobody, nobody);
  return path;
}

/** A file with that text. */
function file(t: TestContext, name: string, text: string | Buffer): string {
  const path = join(testFolder(t), name);
  writeFileSync(path, text);
  return path;
}

const tls = (cert: string, key: string) => ['--tls-cert-file', cert, '--tls-key-file', key];

function mounted(t: TestContext, ...options: string[]): string {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', path]);
  t.after(() => {
    execFileSync('umount', [path]);
    rmdirSync(path);
  });
  return path;
}

/** A data directory that a controller has used. */
function used(t: TestContext): string {
  const dataDir = testFolder(t);
  cpSync(template, dataDir, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  return dataDir;
}

const template = mkdtempSync(join(tmpdir(), 'sallyport-used-'));
before(async () => {
  const first = await ControllerProcess.start({ after: () => {} }, template);
  assert.equal(await first.kill('SIGTERM'), 0);
});
after(() => rmSync(template, { recursive: true }));

const troubles: Record<string, (t: TestContext) => Trouble | Promise<Trouble> | string> = {
  'a TLS key of another certificate': (t) => {
    const [one, other] = [selfSigned(testFolder(t), 'one'), selfSigned(testFolder(t), 'other')];
    return {
      args: tls(one.cert, other.key),
      says: /SALLYPORT_TLS_KEY_FILE: .* does not belong to the first certificate/,
    };
  },
  'a certificate file that is no PEM': (t) => {
    const { key } = selfSigned(testFolder(t), 'one');
    return {
      args: tls(file(t, 'cert', 'no PEM'), key),
      says: /SALLYPORT_TLS_CERT_FILE: .* holds no certificate in PEM/,
    };
  },
  'a damaged certificate': (t) => {
    const { cert, key } = selfSigned(testFolder(t), 'one');
    const cut = readFileSync(cert, 'utf8').replace(/[A-Za-z0-9]{30}/, '');
    return { args: tls(file(t, 'cert', cut), key), says: /SALLYPORT_TLS_CERT_FILE: certificate 1 in .* is damaged/ };
  },
  'a key file that is no PEM': (t) => {
    const { cert } = selfSigned(testFolder(t), 'one');
    return { args: tls(cert, cert), says: /SALLYPORT_TLS_KEY_FILE: .* holds no private key in PEM/ };
  },
  'an encrypted key': (t) => {
    const { cert, key } = selfSigned(testFolder(t), 'one');
    const encrypted = join(testFolder(t), 'key');
    execFileSync('openssl', ['pkey', '-in', key, '-aes256', '-passout', 'pass:secret', '-out', encrypted]);
    return { args: tls(cert, encrypted), says: /SALLYPORT_TLS_KEY_FILE: the key in .* is encrypted; write it without/ };
  },
  'a key file that is a directory': (t) => {
    const { cert } = selfSigned(testFolder(t), 'one');
    return { args: tls(cert, testFolder(t)), says: /SALLYPORT_TLS_KEY_FILE: .* cannot be read: it is a directory/ };
  },
  'a key that another user owns': (t) => {
    if (!isRoot) return 'another user takes root';
    const { cert, key } = selfSigned(testFolder(t), 'one');
    chmodSync(join(cert, '..'), 0o755);
    const says = /SALLYPORT_TLS_KEY_FILE: .* cannot be read: permission denied/;
    return { args: tls(cert, key), dataDir: ofNobody(testFolder(t)), prefix: asNobody, says };
  },
  'a data directory that is a file': (t) => ({
    dataDir: file(t, 'data', ''),
    says: /SALLYPORT_DATA_DIR: .* is a file and not a directory/,
  }),
  'a data directory below a file': (t) => ({
    dataDir: join(file(t, 'data', ''), 'deeper'),
    says: /SALLYPORT_DATA_DIR: .*: a part of the path is a file/,
  }),
  'a data directory of another user': (t) => {
    const dataDir = testFolder(t);
    if (!isRoot) chmodSync(dataDir, 0o500);
    return { dataDir, prefix: asNobody, says: /SALLYPORT_DATA_DIR: .*: permission denied/ };
  },
  'a read-only data directory': (t) =>
    isRoot ? { dataDir: mounted(t, '-o', 'ro'), says: /SALLYPORT_DATA_DIR: .* read-only/ } : 'mounting takes root',
  'a full disk': (t) => {
    if (!isRoot) return 'mounting takes root';
    const dataDir = mounted(t, '-o', 'size=64k');
    writeFileSync(join(dataDir, 'ballast'), Buffer.alloc(48 * 1024));
    return { dataDir, says: /the disk is full; make room first/ };
  },
  'a damaged database': (t) => {
    const dataDir = used(t);
    writeFileSync(join(dataDir, 'sallyport.db'), Buffer.alloc(50_000, 'x'));
    return { dataDir, says: /sallyport\.db is damaged, or is not a database: bring it back from a backup/ };
  },
  'a database of another program': (t) => {
    const dataDir = testFolder(t);
    const other = new DatabaseSync(join(dataDir, 'sallyport.db'));
    other.exec('CREATE TABLE cookies (name TEXT)');
    other.close();
    return { dataDir, says: /is a database of another program: name another SALLYPORT_DATA_DIR/ };
  },
  'a database that is a directory': (t) => {
    const dataDir = testFolder(t);
    mkdirSync(join(dataDir, 'sallyport.db'));
    return { dataDir, says: /sallyport\.db cannot be opened/ };
  },
  'a database of a newer version': (t) => {
    const dataDir = used(t);
    const raw = new DatabaseSync(join(dataDir, 'sallyport.db'));
    raw.exec("INSERT INTO migrations VALUES ('9999-future.sql', 0)");
    raw.close();
    return { dataDir, says: /written by a newer version of Sallyport \(9999-future\.sql\): start that version/ };
  },
  'a database without its key': (t) => {
    const dataDir = used(t);
    rmSync(join(dataDir, 'master.key'));
    return { dataDir, says: /there is a database in .* but no master\.key/ };
  },
  'a key without its database': (t) => {
    const dataDir = used(t);
    rmSync(join(dataDir, 'sallyport.db'));
    return { dataDir, says: /master\.key .* sallyport\.db is lost\. Bring it back/ };
  },
  'a key beside a database that was emptied': (t) => {
    const dataDir = used(t);
    writeFileSync(join(dataDir, 'sallyport.db'), '');
    return { dataDir, says: /master\.key .* sallyport\.db is lost\. Bring it back/ };
  },
  'a key of another database': (t) => {
    const dataDir = used(t);
    writeFileSync(join(dataDir, 'master.key'), 'f'.repeat(64));
    return { dataDir, says: /the master key does not fit this database/ };
  },
  'a key file that holds something else': (t) => ({
    args: ['--master-key-file', file(t, 'key', 'short')],
    says: /SALLYPORT_MASTER_KEY_FILE: .* must hold 64 hexadecimal digits/,
  }),
  'a restore that was interrupted': (t) => {
    const dataDir = used(t);
    writeFileSync(join(dataDir, 'restore.pending'), '');
    return { dataDir, says: /a restore that was interrupted: run "sally operator restore FILE --replace" again/ };
  },
  'a port that is in use': async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const says = new RegExp(
      `SALLYPORT_LISTEN: port ${port} of 127\\.0\\.0\\.1 is in use: choose another with --listen`,
    );
    return { args: ['--listen', `127.0.0.1:${port}`], says };
  },
  'a privileged port without the right': (t) => {
    if (firstFreePort < 2) return 'every port is free to everybody here';
    const args = ['--listen', `127.0.0.1:${firstFreePort - 1}`];
    return {
      args,
      dataDir: ofNobody(testFolder(t)),
      prefix: asNobody,
      says: /SALLYPORT_LISTEN: port \d+ .* needs privileges/,
    };
  },
  'an address of another machine': () => ({
    args: ['--listen', '192.0.2.7:8080'],
    says: /SALLYPORT_LISTEN: 192\.0\.2\.7 is not an address of this machine/,
  }),
  'a host name that nobody knows': () => ({
    args: ['--listen', 'nowhere.invalid:8080'],
    says: /SALLYPORT_LISTEN: the host name nowhere\.invalid is not known/,
  }),
  'a country database that is none': (t) => ({
    args: ['--country-database-file', file(t, 'countries', 'x'.repeat(1000))],
    says: /SALLYPORT_COUNTRY_DATABASE_FILE: .* is not an IP database/,
  }),
};

for (const [name, prepare] of Object.entries(troubles))
  test(`${name} ends the start with exit code 1 and a sentence`, async (t) => {
    const trouble = await prepare(t);
    if (typeof trouble === 'string') return t.skip(trouble);
    const { args, prefix, says, dataDir = testFolder(t) } = trouble;
    const { exitCode, stdout, stderr } = await ControllerProcess.start(t, dataDir, args, {}, prefix);
    assert.match(stderr, says);
    assert.deepEqual([exitCode, stdout], [1, ''], stderr);
    assert.doesNotMatch(stderr, /\n {4}at |node:internal/, 'no stack trace');
  });

test('a key without its database is left alone: no empty database is made beside it', async (t) => {
  const dataDir = used(t);
  const key = readFileSync(join(dataDir, 'master.key'), 'utf8');
  rmSync(join(dataDir, 'sallyport.db'));
  await ControllerProcess.start(t, dataDir);
  assert.ok(!existsSync(join(dataDir, 'sallyport.db')));
  assert.equal(readFileSync(join(dataDir, 'master.key'), 'utf8'), key);
});

test('a first start that ended at any step is completed by the next one', async (t) => {
  for (const leave of ['empty database', 'waiting key', 'identity without the name of its key']) {
    const dataDir = leave === 'identity without the name of its key' ? used(t) : testFolder(t);
    if (leave !== 'identity without the name of its key') writeFileSync(join(dataDir, 'sallyport.db'), '');
    if (leave === 'waiting key') writeFileSync(join(dataDir, 'master.key.new'), 'half');
    if (leave === 'identity without the name of its key')
      execFileSync('mv', [join(dataDir, 'master.key'), join(dataDir, 'master.key.new')]);
    const next = await ControllerProcess.start(t, dataDir);
    assert.match(next.stdout, /Sallyport is ready/, `${leave}: ${next.stderr}`);
    assert.equal(await next.kill('SIGTERM'), 0);
    assert.deepEqual(
      [existsSync(join(dataDir, 'master.key')), existsSync(join(dataDir, 'master.key.new'))],
      [true, false],
    );
  }
});

test('a certificate that has expired, or is not valid yet, is a warning', async (t) => {
  const past = selfSignedBetween(testFolder(t), 'past', '200101000000Z', '200102000000Z');
  const future = selfSignedBetween(testFolder(t), 'future', '480101000000Z', '490102000000Z');
  const expired = await ControllerProcess.start(t, testFolder(t), tls(past.cert, past.key));
  assert.match(expired.stderr, /SALLYPORT_TLS_CERT_FILE\) expired at 2020-01-02/);
  assert.match(expired.stdout, /Sallyport is ready/);
  const early = await ControllerProcess.start(t, testFolder(t), tls(future.cert, future.key));
  assert.match(early.stderr, /is valid from 2048-01-01/);
});

test('a beacon port that is in use is a warning that names port and setting', async (t) => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const { port } = socket.address();
  const args = ['--beacon-listen', `127.0.0.1:${Math.min(port, 65_534)}`];
  const started = await ControllerProcess.start(t, testFolder(t), args);
  assert.match(started.stderr, new RegExp(`\\[${port},${port + 1}\\].*Set SALLYPORT_BEACON_LISTEN to two free ports`));
  assert.match(started.stdout, /Sallyport is ready/);
});
