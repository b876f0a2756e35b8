import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import type { RequestBody } from '@sallyport/contract';
import { createSession } from '../session.ts';
import { allowInBrowser } from './login-browser.ts';

/** Starts a sign-in. Returns the address for the browser, the spent codes and the result. */
async function startSignIn(spend: () => Promise<string> = async () => 'token') {
  const spent: RequestBody<'signInCli'>[] = [];
  const opened = Promise.withResolvers<URL>();
  const io = {
    env: {},
    version: '0.0.0',
    stdin: process.stdin,
    stdout: { write: () => true },
    stderr: { write: () => true },
    now: () => new Date(),
    wait: async () => {},
    randomBytes,
    hostName: 'lap\u202etop',
    openBrowser: (url: string) => opened.resolve(new URL(url)),
  };
  const result = allowInBrowser(
    createSession(io, () => ({})),
    {
      page: 'https://vpn.example.com',
      open: true,
      spend: (body) => {
        spent.push(body);
        return spend();
      },
    },
  );
  result.catch(() => undefined);
  const url = await opened.promise;
  const { port, state, challenge, host } = Object.fromEntries(url.searchParams) as Record<string, string>;
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      })
        .on('error', reject)
        .end();
    });
  return { url, spent, result, state, challenge, host, port: Number(port), get };
}

test('only the answer with our state is taken, and the verifier fits the challenge', async () => {
  const { url, spent, result, state, challenge, host, port, get } = await startSignIn();
  assert.equal(`${url.origin}${url.pathname}`, 'https://vpn.example.com/console/cli');
  assert.equal(host, 'lap top');
  const wrong: [string, Record<string, string>?, string?][] = [
    ['/callback?code=stolen'],
    ['/callback?code=stolen&state='],
    [`/callback?code=stolen&state=${'A'.repeat(43)}`],
    [`/callback?error=access_denied&state=${'A'.repeat(43)}`],
    [`/other?code=stolen&state=${state}`],
    [`/callback?code=stolen&state=${state}`, { host: `evil.example:${port}` }],
    [`/callback?code=stolen&state=${state}`, {}, 'POST'],
    ['/'],
  ];
  for (const [path, headers, method] of wrong) assert.equal(await get(path, headers, method), 400, path);
  assert.equal(spent.length, 0);
  assert.equal(await get(`/callback?code=right&state=${state}`), 200);
  assert.equal(await result, 'token');
  const [body] = spent;
  assert.equal(spent.length, 1);
  assert.deepEqual([body?.code, body?.port], ['right', port]);
  assert.equal(
    createHash('sha256')
      .update(body?.verifier ?? '')
      .digest('base64url'),
    challenge,
  );
  assert.ok(!url.href.includes(body?.verifier ?? ''), 'the verifier is not in the address');
  await assert.rejects(get(`/callback?code=right&state=${state}`), 'the port is closed');
});

test('a second answer is refused while the first is being spent', async () => {
  const pending = Promise.withResolvers<string>();
  const { spent, result, state, get } = await startSignIn(() => pending.promise);
  const first = get(`/callback?code=one&state=${state}`);
  while (spent.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await get(`/callback?code=two&state=${state}`), 409);
  pending.resolve('token');
  assert.equal(await first, 200);
  assert.equal(await result, 'token');
  assert.deepEqual(
    spent.map(({ code }) => code),
    ['one'],
  );
});

test('a no in the browser, and a code that the controller refuses, end the sign-in', async () => {
  const no = await startSignIn();
  assert.equal(await no.get(`/callback?error=access_denied&state=${no.state}`), 200);
  await assert.rejects(no.result, /You said no in the browser/);
  assert.deepEqual(no.spent, []);
  const refused = await startSignIn(() => Promise.reject(new Error('refused')));
  await refused.get(`/callback?code=old&state=${refused.state}`);
  await assert.rejects(refused.result, /refused/);
});
