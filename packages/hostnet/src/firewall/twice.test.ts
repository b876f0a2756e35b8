import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DENIED_IN } from './rule-text.ts';
import { ruleset } from './ruleset.ts';
import { decidedTwice } from './twice.ts';

const OVERLAY = { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' };
const ALL = {
  ...{ masquerade: true, draining: false, names: true },
  ways: { onward: true, sites: true, egress: true },
};
const chains = new Map(
  ruleset({ interface: 'sp0', overlay: OVERLAY }, ALL, 'a').map(({ name, rules }) => [name, rules]),
);
const first = [...chains.keys()].filter((name) => name.endsWith('_first_a'));

test('the first decision denies nothing, and differs from the second one in nothing else', () => {
  assert.ok(first.length > 15, first.join());
  for (const name of first) {
    const rules = chains.get(name) ?? [];
    assert.ok(!rules.some((rule) => rule.includes('drop_denied')), name);
    const last = (chains.get(name.replace('_first_a', '_a')) ?? []).map((rule) =>
      rule.replace(/counter name drop_denied_(in|out) drop$/, 'return'),
    );
    assert.deepEqual(
      rules.map((rule) => rule.replaceAll('_first_a', '_a')),
      last,
      name,
    );
  }
});

test('every denial of a packet in the forwarding and local hooks has a first decision before it', () => {
  const denying = [...chains].filter(([, rules]) => rules.some((rule) => rule.includes('drop_denied')));
  const alone = denying.map(([name]) => name).filter((name) => !first.includes(name.replace(/(_a)?$/, '_first_a')));
  assert.deepEqual(alone, ['way_genuine_a', 'forward', 'input_backstop', 'forward_backstop']);
});

test('a return from the first decision ends all of it', () => {
  const targets = (name: string, verb: string) =>
    (chains.get(name) ?? []).flatMap((rule) => new RegExp(`\\b${verb} (\\w+)$`).exec(rule)?.[1] ?? []);
  const jumped = [...chains.keys()]
    .filter((name) => !name.startsWith('twice_'))
    .flatMap((name) => targets(name, 'jump'));
  assert.deepEqual(
    jumped.filter((name) => first.includes(name)),
    [],
  );
  assert.deepEqual(
    first.flatMap((name) => targets(name, 'goto')).filter((name) => first.includes(name.replace('_a', '_first_a'))),
    [],
    'the first decision does not lead into the second one',
  );
  const wrong = { inner: [DENIED_IN], outer: ['jump inner', 'accept'] };
  assert.throws(() => decidedTwice((name) => name, wrong, ['outer']), /would go on after a denial/);
});
