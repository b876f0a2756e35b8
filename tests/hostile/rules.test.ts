import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makers } from '../../apps/controller/src/testing/api.ts';
import { openTestApp, type TestApp } from '../../apps/controller/src/testing/harness.ts';
import { Program } from '../../packages/policy/src/rules/program.ts';

const rules = '/tenants/admission-rules';

/** Rules that double the previous value with each step. A version that accepted them ran out of memory. */
const doubling = (seed: string, last: (value: string) => string): string => {
  const steps = [1, 2, 3, 4].reduceRight(
    (body, i) =>
      `[${Array(30)
        .fill(`v${i - 1}`)
        .join('+')}].all(v${i}, ${body})`,
    last('v4'),
  );
  return `[${seed}].all(v0, ${steps})`;
};
const lists = doubling(`[${Array(50).fill(1)}]`, (v) => `size(${v}) > 0`);
const texts = doubling(`'${'a'.repeat(200)}'`, (v) => `${v}.contains('b')`);

/** A tenant with devices that a rule of this text admits to a resource. */
async function tenantWith(app: TestApp, devices: number) {
  const make = makers(app);
  const gateway = await make.gateway('office');
  const https = await make.protocol('443');
  const web = await make.resource('web', [{ address: '10.0.0.0/24', protocols: [https.id] }]);
  await make.attach(web.id, [gateway.id]);
  const made = [];
  for (let i = 0; i < devices; i++) made.push(await make.device(`laptop ${i}`));
  const rule = await make.rule('Staff', 'true');
  await make.policy('Web', { allDevices: true, resources: [web.id], rule: rule.id });
  return { gateway, device: made[0].id as string, rule: rule.id as string };
}

/** Stores a text where an earlier version left it, without the knowledge of the running controller. */
async function storeAsBefore(app: TestApp, rule: string, text: string): Promise<void> {
  await app.store.db.updateTable('admission_rules').set({ rule: text }).where('id', '=', rule).execute();
}

/** A valid and expensive rule, different for every two devices. */
const dear = `[${Array.from({ length: 240 }, (_, i) => i)}].all(x, string(x + time.minute) != device.id)`;

const question = (device: string) => ({ device, destination: '10.0.0.7', protocol: 'TCP', port: 443 });

test('a rule with doubling values is refused', async (t) => {
  const app = await openTestApp(t);
  for (const rule of [lists, texts]) {
    assert.ok(rule.length <= 4000);
    const { status, json } = await app.request('POST', rules, { body: { name: 'x', rule, hasTimeConstraint: false } });
    assert.deepEqual([status, json.code], [400, 'invalid_rule']);
    assert.match(json.detail, /\+ adds numbers only/);
  }
});

test('a stored rule with doubling values is shown as broken, never matches, and blocks nothing', async (t) => {
  for (const text of [lists, texts]) {
    const app = await openTestApp(t);
    const { gateway, device, rule } = await tenantWith(app, 2);
    await storeAsBefore(app, rule, text);

    assert.ok((await app.parts.states.current(gateway.id)) !== null);
    const shown = (await app.request('GET', `${rules}/${rule}`)).json;
    assert.equal(shown.rule, text);
    assert.match(shown.problem.message, /\+ adds numbers only/);
    assert.ok(shown.problem.line === 1 && shown.problem.column > 1 && shown.problem.hint.length > 10);
    const all = (await app.request('GET', rules)).json;
    assert.deepEqual(
      all.map(({ problem }: { problem?: object }) => problem),
      [undefined, shown.problem],
    );

    const [answer] = (await app.request('POST', '/tenants/access/explain', { body: question(device) })).json.answers;
    assert.equal(answer.allowed, false);
    assert.match(answer.policies[0].reason, /the rule is broken: line 1, column \d+: \+ adds numbers only/);
    assert.deepEqual((await app.request('GET', '/tenants/access/matrix')).json, []);

    const body = { name: 'Staff', rule: "device.name != ''", hasTimeConstraint: false };
    const mended = await app.request('PUT', `${rules}/${rule}`, { body });
    assert.deepEqual([mended.status, mended.json.problem], [200, undefined]);
    const [after] = (await app.request('POST', '/tenants/access/explain', { body: question(device) })).json.answers;
    assert.equal(after.allowed, true);
  }
});

test('others are served during the evaluation of expensive rules of many devices', async (t) => {
  const app = await openTestApp(t);
  const devices = 60;
  const { gateway, device, rule } = await tenantWith(app, devices);
  const body = { name: 'Staff', rule: dear, hasTimeConstraint: true };
  const url = `${rules}/${rule}`;
  for (const [what, work] of Object.entries<() => Promise<unknown>>({
    compile: () => app.parts.states.current(gateway.id),
    // A new text, so that no cache has its result.
    change: async () => {
      assert.equal((await app.request('PUT', url, { body: { ...body, rule: `${dear} && true` } })).status, 200);
      return app.parts.states.current(gateway.id);
    },
    matrix: () => app.request('GET', '/tenants/access/matrix'),
    explain: () => app.request('POST', '/tenants/access/explain', { body: question(device) }),
  })) {
    if (what === 'compile') assert.equal((await app.request('PUT', url, { body })).status, 200);
    const evaluated = evaluations(t);
    const most = await mostBetweenTurns(() => evaluated.count, work);
    // Each evaluation is far shorter than a slice. Work without pauses makes all of them in one turn.
    if (what === 'compile' || what === 'change')
      assert.ok(evaluated.count > 10 * devices, `${what}: ${evaluated.count}`);
    assert.ok(most < 5 * devices, `${what}: ${most} evaluations in one turn, of ${evaluated.count}`);
    const other = await app.request('GET', rules, { key: app.other.key });
    assert.equal(other.status, 200);
    evaluated.stop();
  }
});

/** Counts evaluations of rules. */
function evaluations(t: TestContext) {
  const counted = { count: 0, stop: () => {} };
  const settle = Program.prototype.settle;
  Program.prototype.settle = function (inputs) {
    const settled = settle.call(this, inputs);
    return {
      ...settled,
      ask: (...args) => {
        counted.count++;
        return settled.ask(...args);
      },
    };
  };
  counted.stop = () => {
    Program.prototype.settle = settle;
  };
  t.after(counted.stop);
  return counted;
}

/** Returns the largest growth of a count between two turns of the event loop during some work. */
async function mostBetweenTurns(count: () => number, work: () => Promise<unknown>): Promise<number> {
  let [most, before, done] = [0, count(), false];
  const watched = (async () => {
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, count() - before);
      before = count();
    }
  })();
  await work();
  done = true;
  await watched;
  return most;
}
