import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { Attempts } from '../../apps/controller/src/objects/sign-in/attempts.ts';
import { GuessLimits, guessLimits } from '../../apps/controller/src/objects/sign-in/guessing.ts';
import { createSecretBox } from '../../apps/controller/src/secrets/box.ts';
import { Browser, goodPassword, signInOwner } from '../../apps/controller/src/testing/browser.ts';
import { openTestApp, type TestApp } from '../../apps/controller/src/testing/harness.ts';
import { openSharedStores } from '../../apps/controller/src/testing/shared-stores.ts';
import { serverOfFile, twoControllers } from './fixtures.ts';

const postgres = serverOfFile();

const open = (t: TestContext) => twoControllers(t, postgres.server);

/** The same browser, sent to another replica. */
function at(app: TestApp, { token }: Browser): Browser {
  const browser = new Browser(app);
  browser.token = token;
  return browser;
}

test('what was begun at one replica is finished once, at any of them', async (t) => {
  const { a, b } = await open(t);
  const owner = await signInOwner(a);
  const offer = await owner.ok('POST', '/tenants/me/methods/totp/offer');
  // The attempt is spent before its code is looked at.
  const confirm = async (app: TestApp) =>
    (await at(app, owner).request('PUT', '/tenants/me/methods/totp', { attempt: offer.attempt, code: '000000' })).json;
  assert.match((await confirm(b)).detail, /The code does not fit/);
  for (const app of [a, b]) assert.match((await confirm(app)).detail, /was finished already/);

  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const allow = async () =>
    (await owner.ok('POST', '/tenants/me/cli-code', { challenge, port: 4321, host: 'laptop' })).code;
  const [older, code] = [await allow(), await allow()];
  const spend = (app: TestApp, one: string) =>
    new Browser(app).request('POST', '/sign-in/cli', { code: one, verifier, port: 4321 });
  assert.equal((await spend(b, older)).status, 401, 'a newer one has ended it');
  const both = await Promise.all([spend(a, code), spend(b, code)]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 401], 'once, also at the same time');
  assert.deepEqual(await a.store.db.selectFrom('cli_codes').select('code_hash').execute(), []);
});

test('two replicas that finish the same attempt at once: one of them does', async (t) => {
  const { stores } = await openSharedStores(t, postgres.server.url());
  const box = createSecretBox(randomBytes(32));
  const first = new Attempts<{ n: number }>(stores[0], box);
  const second = new Attempts<{ n: number }>(stores[1], box);
  for (let n = 0; n < 10; n++) {
    const text = first.begin({ n });
    const outcomes = await Promise.allSettled([first.finish(text), second.finish(text), first.finish(text)]);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  }
});

test('who guesses at all replicas at once has no more guesses', async (t) => {
  const { stores, clock } = await openSharedStores(t, postgres.server.url());
  const box = createSecretBox(Buffer.alloc(32, 7));
  const limits = stores.map((store) => new GuessLimits(store, box));
  const attempt = { account: 'someone', source: '192.0.2.1' };
  let looked = 0;
  const guess = async (limit: GuessLimits) =>
    limit.guard(attempt, async ({ wrong }) => {
      looked++;
      wrong();
    });
  const all = () => Promise.allSettled(limits.flatMap((limit) => Array.from({ length: 10 }, () => guess(limit))));
  await all();
  await all();
  assert.equal(looked, guessLimits.account);
  clock.now += guessLimits.windowMs;
  await all();
  assert.equal(looked, 2 * guessLimits.account, 'and as many after the window');
});

test('guesses at one replica count at the other, and a restart forgets none', async (t) => {
  const { a, b, clock, stores } = await open(t);
  await signInOwner(a);
  const sign = async (app: TestApp, password: string) =>
    (
      await new Browser(app).request('POST', '/sign-in/password', {
        tenant: 'first',
        email: 'owner@example.com',
        password,
      })
    ).status;
  for (let round = 0; round < 5; round++)
    for (const app of [a, b]) assert.equal(await sign(app, 'wrong'), 401, `round ${round}`);
  const restarted = await openTestApp(t, { store: stores[1] });
  for (const app of [a, b, restarted]) assert.equal(await sign(app, goodPassword), 429);
  clock.now += guessLimits.windowMs;
  assert.equal(await sign(b, goodPassword), 200);
  await a.app.maintain();
  const left = await a.store.db.selectFrom('guess_windows').selectAll().where('ends_at', '<=', clock.now).execute();
  assert.deepEqual(left, [], 'what has ended is forgotten');
});
