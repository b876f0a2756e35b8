import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countText, planCounts, readCounts } from './counts.ts';

test('a packet counts for the longest prefix, even if that prefix is not counted', () => {
  const { ranges } = planCounts(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', 'fd00::/64'], ['10.9.0.0/16']);
  assert.deepEqual(
    [...ranges],
    [
      ['10.0.0.0-10.0.255.255', '10.0.0.0/8'],
      ['10.1.0.0-10.1.2.2', '10.1.0.0/16'],
      ['10.1.2.3-10.1.2.3', '10.1.2.3/32'],
      ['10.1.2.4-10.1.255.255', '10.1.0.0/16'],
      ['10.2.0.0-10.8.255.255', '10.0.0.0/8'],
      ['10.10.0.0-10.255.255.255', '10.0.0.0/8'],
      ['fd00::-fd00::ffff:ffff:ffff:ffff', 'fd00::/64'],
    ],
  );
});

test('every address counts for its longest prefix, however prefixes nest', () => {
  const all = [
    '0.0.0.0/0',
    '10.0.0.0/30',
    '10.0.0.0/31',
    '10.0.0.1/32',
    '10.0.0.2/31',
    '10.0.0.3/32',
    '255.255.255.255/32',
  ];
  for (let chosen = 0; chosen < 2 ** all.length; chosen += 1) {
    const counted = all.filter((_, n) => (chosen >> n) & 1);
    const { ranges } = planCounts(counted, all.filter((text) => !counted.includes(text)).slice(0, 2));
    const texts = [...ranges.keys()];
    assert.equal(new Set(texts).size, texts.length);
    for (const [address, order] of [
      ['10.0.0.1', ['10.0.0.1/32', '10.0.0.0/31', '10.0.0.0/30', '0.0.0.0/0']],
      ['10.0.0.2', ['10.0.0.2/31', '10.0.0.0/30', '0.0.0.0/0']],
      ['10.0.0.3', ['10.0.0.3/32', '10.0.0.2/31', '10.0.0.0/30', '0.0.0.0/0']],
      ['255.255.255.255', ['255.255.255.255/32', '0.0.0.0/0']],
    ] as const) {
      const known = [...counted, ...all.filter((text) => !counted.includes(text)).slice(0, 2)];
      const longest = order.find((prefix) => known.includes(prefix));
      const holds = [...ranges].filter(([text]) => within(address, text)).map(([, prefix]) => prefix);
      assert.deepEqual(holds, longest !== undefined && counted.includes(longest) ? [longest] : []);
    }
  }
});

test('counts are reported by prefix, and unexpected elements give no counts', () => {
  const plan = planCounts(['10.0.0.0/24', '10.0.0.7/32'], []);
  const element = (text: string, packets: number): [string, number] => [text, packets];
  const four = (factor: number) =>
    new Map([element('10.0.0.0-10.0.0.6', factor), element('10.0.0.7-10.0.0.7', 5), element('10.0.0.8-10.0.0.255', 3)]);
  const found = new Map([
    ['sent4', four(2)],
    ['heard4', four(1)],
    ['sent6', new Map<string, number>()],
  ]);
  assert.deepEqual(
    readCounts(plan, found),
    new Map([
      ['10.0.0.0/24', { sent: 5, heard: 4 }],
      ['10.0.0.7/32', { sent: 5, heard: 5 }],
    ]),
  );
  assert.equal(readCounts(plan, new Map()), null);
  assert.equal(readCounts(planCounts(['10.0.0.7/32'], []), found), null);
});

test('starting to count empties all sets', () => {
  assert.equal(
    countText('sal0', planCounts(['10.0.0.7/32'], [])),
    `${[
      'flush set inet sallyport_sal0 sent4',
      'add element inet sallyport_sal0 sent4 { 10.0.0.7-10.0.0.7 }',
      'flush set inet sallyport_sal0 sent6',
      'flush set inet sallyport_sal0 heard4',
      'add element inet sallyport_sal0 heard4 { 10.0.0.7-10.0.0.7 }',
      'flush set inet sallyport_sal0 heard6',
    ].join('\n')}\n`,
  );
});

function within(address: string, range: string): boolean {
  const [first = 0, last = 0, value = 0] = [...range.split('-'), address].map((text) =>
    text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0),
  );
  return first <= value && value <= last;
}
