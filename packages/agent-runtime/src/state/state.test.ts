import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { formatEnrolmentToken } from '@sallyport/contract/channel';
import { publicKeyOf } from '@sallyport/wireguard';
import { UsageError } from '../failure.ts';
import { readToken } from '../token.ts';
import { LatestWriter } from '../writer.ts';
import { StateDirectory } from './directory.ts';
import { EndpointMemory } from './endpoints.ts';
import { chooseIdentity, readIdentity, tokenHash, writeIdentity } from './identity.ts';
import { lockAgent, lockHolder } from './lock.ts';

async function temporary(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-state-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function newToken(agent: string = crypto.randomUUID()): string {
  const [secret, controllerFingerprint] = [32, 16].map((n) => randomBytes(n).toString('base64url')) as [string, string];
  return formatEnrolmentToken({ role: 'gateway', agent, secret, controllerFingerprint });
}

describe('state directory', () => {
  it('is private and replaces files atomically', async (t) => {
    const path = join(await temporary(t), 'a', 'b');
    const directory = await StateDirectory.open(path);
    await directory.write('state.json', 'one');
    await directory.write('state.json', 'two');
    assert.equal(await directory.read('state.json'), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    assert.equal((await stat(join(path, 'state.json'))).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(path), ['state.json']);
    assert.equal(await directory.read('identity.json'), null);
  });

  it('rejects a file that is too large for its kind', async (t) => {
    const path = await temporary(t);
    const directory = await StateDirectory.open(path);
    await directory.write('identity.json', '{}');
    await truncate(join(path, 'identity.json'), 2 ** 40);
    await assert.rejects(directory.read('identity.json'), /identity\.json has 1099511627776 bytes and is damaged/);
  });

  it('reports a path that cannot be a directory', async (t) => {
    const file = join(await temporary(t), 'file');
    await writeFile(file, '');
    await assert.rejects(StateDirectory.open(join(file, 'below')), UsageError);
  });
});

describe('identity', () => {
  it('is created from the first token, stays, and changes with the token of a re-key', async (t) => {
    const directory = await StateDirectory.open(await temporary(t));
    const gateway = crypto.randomUUID();
    const token = newToken(gateway);
    const first = chooseIdentity('gateway', null, token, directory.path);
    assert.equal(first.agent, gateway);
    assert.equal(publicKeyOf(first.wireguardPrivateKey).length, 44);
    assert.equal(
      chooseIdentity('gateway', first, token, directory.path),
      first,
      'a crash before the pin changes nothing',
    );

    const enrolled = { ...first, controllerKey: randomBytes(32).toString('base64'), enrolledWith: tokenHash(token) };
    await writeIdentity(directory, enrolled);
    assert.deepEqual(await readIdentity(directory), enrolled);
    assert.equal(chooseIdentity('gateway', enrolled, null, directory.path), enrolled);
    assert.equal(chooseIdentity('gateway', enrolled, token, directory.path), enrolled);

    const rekeyed = chooseIdentity('gateway', enrolled, newToken(gateway), directory.path);
    assert.equal(rekeyed.enrolledWith, null);
    assert.notEqual(rekeyed.identityPrivateKey, enrolled.identityPrivateKey);
    assert.equal(rekeyed.wireguardPrivateKey, enrolled.wireguardPrivateKey);
  });

  it('rejects a missing, foreign or malformed token without repeating it', () => {
    const known = chooseIdentity('gateway', null, newToken(), '/s');
    assert.throws(() => chooseIdentity('gateway', null, null, '/s'), /not enrolled yet/);
    assert.throws(() => chooseIdentity('gateway', known, null, '/s'), /not enrolled yet/);
    assert.throws(() => chooseIdentity('gateway', known, newToken(), '/s'), /belongs to gateway/);
    assert.throws(
      () => chooseIdentity('gateway', null, 'sgw_hunter2', '/s'),
      (error: Error) => error instanceof UsageError && !error.message.includes('hunter2'),
    );
  });

  it('of an enrolled device rejects another enrolment key', () => {
    const key = (agent: string) => newToken(agent).replace('sgw_', 'sdk_');
    const [one, two] = [crypto.randomUUID(), crypto.randomUUID()];
    const first = chooseIdentity('device', null, key(one), '/s');
    assert.equal(first.agent, one);
    assert.equal(
      chooseIdentity('device', first, key(two), '/s').agent,
      two,
      'a key that never enrolled can be replaced',
    );
    const enrolled = { ...first, enrolledWith: 'f'.repeat(64) };
    assert.throws(() => chooseIdentity('device', enrolled, key(two), '/s'), /enrolled already/);
    assert.throws(() => chooseIdentity('device', null, newToken(one), '/s'), /not an enrolment key/);
  });

  it('is not overwritten when the file is damaged', async (t) => {
    const directory = await StateDirectory.open(await temporary(t));
    await directory.write('identity.json', '{"version":1}');
    await assert.rejects(readIdentity(directory), /damaged/);
  });
});

describe('token', () => {
  const none = { argument: null, environmentFile: null, environment: null };
  const empty = () => Readable.from([]);

  it('comes from the argument, the file named by the environment, or the environment, in this order', async (t) => {
    const file = join(await temporary(t), 'token');
    await writeFile(file, ' from file \n');
    const all = { argument: '-', environmentFile: file, environment: 'from environment' };
    assert.equal(await readToken(all, Readable.from(['from ', 'stdin\nmore\n']), true), 'from stdin');
    assert.equal(await readToken({ ...all, argument: null }, empty(), true), 'from file');
    assert.equal(await readToken({ ...none, environment: 'from environment' }, empty(), true), 'from environment');
    assert.equal(await readToken(none, empty(), true), null);
    assert.equal(await readToken({ ...none, argument: '-' }, empty(), true), null);
  });

  it('is optional after enrolment', async () => {
    const gone = { ...none, argument: '/nonexistent/token' };
    await assert.rejects(readToken(gone, empty(), true), /\/nonexistent\/token cannot be read/);
    assert.equal(await readToken(gone, empty(), false), null);
  });
});

describe('lock', () => {
  it('has one holder, names it, and passes on when the holder has died', async (t) => {
    const [stateDir, runDir] = [await temporary(t), await temporary(t)];
    const lock = await lockAgent(stateDir, 'sp0', runDir);
    assert.equal(await lockHolder(stateDir), process.pid);
    await assert.rejects(lockAgent(stateDir, 'sp1', runDir), new RegExp(`process id ${process.pid}`));
    const elsewhere = await temporary(t);
    await assert.rejects(lockAgent(elsewhere, 'sp0', runDir), /interface sp0 is in use/);
    assert.equal(await lockHolder(elsewhere), null, 'a lock that fails half-way is released');
    await lock.release();
    assert.equal(await lockHolder(stateDir), null);

    await writeFile(join(stateDir, 'agent.lock'), `${process.pid} 1`);
    const again = await lockAgent(stateDir, 'sp0', runDir);
    await again.release();
    assert.deepEqual([...(await readdir(stateDir)), ...(await readdir(runDir))], []);
  });
});

describe('endpoint memory', () => {
  it('survives a restart and is written only after a change', async (t) => {
    const directory = await StateDirectory.open(await temporary(t));
    const memory = await EndpointMemory.load(directory);
    memory.learn([{ publicKey: 'a', endpoint: '192.0.2.1:1' }, { publicKey: 'b' }]);
    await memory.save(directory);
    const again = await EndpointMemory.load(directory);
    assert.equal(again.of('a'), '192.0.2.1:1');
    assert.equal(again.of('b'), undefined);
    await directory.remove('endpoints.json');
    await again.save(directory);
    assert.equal(await directory.read('endpoints.json'), null);
  });
});

describe('writer', () => {
  it('never writes concurrently, and writes the newest value last', async () => {
    let value = 0;
    let writing = 0;
    const written: number[] = [];
    const writer = new LatestWriter(
      async () => {
        assert.equal(++writing, 1);
        const now = value;
        await new Promise((resolve) => setImmediate(resolve));
        written.push(now);
        writing--;
      },
      (error) => assert.fail(String(error)),
    );
    for (value = 1; value <= 5; value++) writer.request();
    value = 5;
    await writer.flush();
    assert.equal(written.at(-1), 5);
    assert.ok(written.length <= 2);
  });
});

describe('a state directory of another user', () => {
  it('is rejected, and so is a symbolic link', async (t) => {
    if (process.geteuid?.() !== 0) return t.skip('needs root to make a directory of another user');
    const root = await mkdtemp(join(tmpdir(), 'sallyport-owner-'));
    t.after(() => rm(root, { recursive: true, force: true }));
    const foreign = join(root, 'foreign');
    await mkdir(foreign);
    await chown(foreign, 65534, 65534);
    await assert.rejects(StateDirectory.open(foreign), /belongs to another user/);
    await mkdir(join(root, 'own'));
    await symlink(join(root, 'own'), join(root, 'link'));
    await assert.rejects(StateDirectory.open(join(root, 'link')), /links are not followed/);
    await StateDirectory.open(join(root, 'own'));
  });
});
