import { below, pick, size } from './mutate.ts';

type Random = () => number;
type Kind = 'bool' | 'text' | 'number' | 'list' | 'any';

/** Returns an expression of the rule language that mostly yields a bool. It is seldom longer than a rule can be. */
export function ruleExpression(random: Random): string {
  return expression(random, 'bool', { depth: size(random, 12), names: [], left: { parts: size(random, 300) } });
}

interface Room {
  readonly depth: number;
  /** Variables of the surrounding macros. */
  readonly names: readonly string[];
  readonly left: { parts: number };
}

function expression(random: Random, kind: Kind, { depth, names, left }: Room): string {
  const write: Write = (wanted, more = []) =>
    expression(random, wanted, { depth: depth - 1, names: [...names, ...more], left });
  if (depth <= 0 || left.parts-- <= 0 || random() < 0.05) return leaf(random, kind, names);
  const text = pick(random, makers[random() < 0.04 ? pick(random, kinds) : kind])(random, write, names.length);
  return text.length > 4000 ? leaf(random, kind, names) : text;
}

type Write = (kind: Kind, names?: readonly string[]) => string;
type Maker = (random: Random, write: Write, depth: number) => string;

const kinds: readonly Kind[] = ['bool', 'text', 'number', 'list', 'any'];

const leaves: Readonly<Record<Kind, readonly string[]>> = {
  bool: [
    ...['true', 'false', 'posture.compliant == true', "time.between('08:00', '18:00')", 'time.hour > 8'],
    ...["source.inCountry('CH')", "source.inCidr('203.0.113.0/24', '10.0.0.0/8')", "time.onWeekdays(['MO', 'SU'])"],
    ...["time.before('2026-07-01')", "time.after('0001-01-01')", 'has(user.attributes.level)', 'time.minute % 2 == 0'],
    ...['user.attributes.missing == 1', 'has(posture.nothing)', 'time.minute in [0, 30]', "time['minute'] == 5"],
  ],
  text: [
    ...["''", "'a'", "'\\u0130\\u00df'", 'user.email', 'device.name', 'user.attributes.text', 'posture.note', "b'x'"],
    ...['time.weekday', 'time.date', "'08:00'", "'10.0.0.0/8'", 'device.appVersion'],
  ],
  number: [
    ...['0', '1', '-1', '3.5', '9223372036854775807', '1e308', 'time.hour', 'time.minute', 'user.attributes.level'],
    ...['0x7f', '2u', "int('7')", 'size(groups)'],
  ],
  list: ['[]', 'groups', 'user.attributes.tags', "['a', 'b']", '[1, 2, 3]', '[[1, 1], [1, 1]]', '[time]', '[user]'],
  any: ['null', 'user', 'time', 'posture', 'user.attributes', 'dyn(1)', '{}'],
};

function leaf(random: Random, kind: Kind, names: readonly string[]): string {
  return names.length > 0 && random() < 0.5 ? pick(random, names) : pick(random, leaves[kind]);
}

const walk: Maker = (random, write, depth) => {
  const variable = random() < 0.05 ? 'time' : `v${depth}`;
  return `${write('list')}.${pick(random, ['all', 'exists', 'exists_one'])}(${variable}, ${write('bool', [variable])})`;
};
const compare: Maker = (random, write) => {
  const kind = pick(random, kinds);
  return `${write(kind)} ${pick(random, ['==', '!=', '<', '<=', '>', '>='])} ${write(kind)}`;
};
const choose =
  (kind: Kind): Maker =>
  (_, write) =>
    `(${write('bool')} ? ${write(kind)} : ${write(kind)})`;
const joined: Maker = (random, write) => {
  const operator = pick(random, [' && ', ' || ']);
  return `(${Array.from({ length: size(random, 12) }, () => write('bool')).join(operator)})`;
};
const listed: Maker = (random, write) => {
  const kind = pick(random, kinds);
  const few = Array.from({ length: below(random, 4) }, () => write(kind));
  return `[${Array(size(random, 60)).fill(few).flat().join(', ')}]`;
};
const long: Maker = (random) => `'${pick(random, ['a', 'ab', 'aab', '\u0390', '1']).repeat(size(random, 1500))}'`;
const calculate: Maker = (random, write) =>
  `(${write('number')} ${pick(random, ['+', '-', '*', '/', '%'])} ${write('number')})`;

const makers: Readonly<Record<Kind, readonly Maker[]>> = {
  bool: [
    ...[walk, walk, walk, compare, compare, joined, joined, choose('bool')],
    (_, write) => `!(${write('bool')})`,
    (_, write) => `${write('any')} in ${write('list')}`,
    (random, write) => `${write('text')}.${pick(random, ['contains', 'startsWith', 'endsWith'])}(${write('text')})`,
    (random, write) => `source.${pick(random, ['inCidr', 'inCountry'])}(${write('list')})`,
    (random, write) => `time.${pick(random, ['before', 'after'])}(${write('text')})`,
    (_, write) => `time.between(${write('text')}, ${write('text')})`,
    (_, write) => `time.onWeekdays(${write('list')})`,
  ],
  text: [
    ...[long, choose('text')],
    (random, write) => `${write('text')}.${pick(random, ['lowerAscii', 'upperAscii'])}()`,
    (_, write) => `string(${write('number')})`,
    (_, write) => `(${write('text')} + ${write('text')})`,
    (_, write) => `dyn(${write('text')})`,
  ],
  number: [
    ...[calculate, calculate, choose('number')],
    (random, write) => `${pick(random, ['int', 'double'])}(${write(pick(random, ['text', 'number']))})`,
    (random, write) => `size(${write(pick(random, ['text', 'list']))})`,
    (_, write) => `-(${write('number')})`,
    (random) => '9'.repeat(size(random, 1000)),
  ],
  list: [listed, listed, listed, choose('list'), (_, write) => `(${write('list')} + ${write('list')})`],
  any: [(random, write) => write(pick(random, kinds)), (_, write) => `dyn(${write('list')})`],
};
