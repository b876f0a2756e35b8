import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { serialize } from '@marcbachmann/cel-js/serialize';
import { type IpPrefix, parsePrefix, parseUnmapped, rangeContains, unmapPrefix } from '@sallyport/ip';
import type { Attribute } from '../types.ts';
import type { RuleInputs } from './inputs.ts';
import { RuleTime } from './time.ts';

/** Bounds of a rule. With them, the most expensive rule takes a fraction of a millisecond. */
export const limits = {
  length: 4000,
  maxAstNodes: 1000,
  maxDepth: 40,
  maxListElements: 250,
  maxMapEntries: 0,
  maxCallArguments: 50,
  /** Most steps of one evaluation. A list that is not written in the rule counts as `listLength` elements. */
  cost: 5000,
  listLength: 100,
} as const;

/** CEL functions and macros that a rule may call, besides our own. All others build values or have unbounded cost. */
export const plainFunctions: ReadonlySet<string> = new Set([
  ...['has', 'all', 'exists', 'exists_one', 'size', 'contains', 'startsWith', 'endsWith'],
  ...['lowerAscii', 'upperAscii', 'int', 'double', 'string', 'dyn'],
]);

/** Our own functions, with an example call of each. */
export const helpers: Readonly<Record<string, string>> = {
  inCidr: "source.inCidr('10.0.0.0/8', …)",
  inCountry: "source.inCountry('CH', 'DE', …)",
  between: "time.between('08:00', '18:00')",
  onWeekdays: "time.onWeekdays('MO', 'TU', …)",
  before: "time.before('2026-12-24T18:00')",
  after: "time.after('2026-12-24')",
};

/** Fields by variable. `posture` and `user.attributes` may have any field. */
export const fields: Readonly<Record<string, readonly string[]>> = {
  user: ['id', 'email', 'department', 'attributes'],
  device: ['id', 'name', 'hardwareId', 'appVersion'],
  source: ['ip', 'country'],
  time: ['hour', 'minute', 'weekday', 'date'],
};

/** Returns the variables and functions of admission rules. The first call makes them, within milliseconds. */
export function theEnvironment(): Environment {
  environment ??= ruleEnvironment();
  return environment;
}

/**
 * Returns an environment for texts that are not known to be rules. The library remembers every function name that it
 * was asked for. So this environment is made again after a certain amount of refused text, and invented names use
 * memory only for a while.
 */
export function environmentForChecks(): Environment {
  if (refusedCharacters > 200_000) checking = null;
  if (checking === null) refusedCharacters = 0;
  checking ??= ruleEnvironment();
  return checking;
}

/** Counts a refused text towards the renewal of the environment for unknown texts. */
export function noteRefused(source: string): void {
  refusedCharacters += source.length;
}

/**
 * Returns the text of an expression. It is here because the library's `serialize` must be loaded after its main module.
 * Only an import after the main module's, in the same file, guarantees that.
 */
export function textOf(node: ASTNode): string {
  return serialize(node);
}

/** Returns the values of the variables. Null values are left out: a rule that reads one fails and is not met. */
export function variables(inputs: RuleInputs, time: RuleTime | null): Record<string, unknown> {
  const { user, groups, device, posture, source } = inputs;
  const given: Record<string, unknown> = { source: Object.assign(new RuleSource(), known(source)) };
  if (user !== null) {
    const { id, email, department, attributes } = user;
    given.user = Object.assign(new RuleUser(), known({ id, email, department, attributes: known(attributes) }));
  }
  if (groups !== null) given.groups = groups;
  if (device !== null) {
    const { id, name, hardwareId, appVersion } = device;
    given.device = Object.assign(new RuleDevice(), known({ id, name, hardwareId, appVersion }));
  }
  if (posture !== null) given.posture = known(posture);
  if (time !== null) given.time = time;
  return given;
}

/** Throws RangeError when a text is not a country code. */
export function assertCountry(code: string): void {
  if (!/^[A-Z]{2}$/.test(code)) throw new RangeError(`not a country code of two capital letters: ${code}`);
}

/** Parses the prefix of a rule; IPv4-mapped prefixes mean IPv4. Throws RangeError. */
export function ruleCidr(text: string): IpPrefix {
  const range = parsePrefix(text);
  if (range === null) throw new RangeError(`not an IP address or prefix: ${text}`);
  return unmapPrefix(range);
}

let environment: Environment | null = null;
let checking: Environment | null = null;
let refusedCharacters = 0;

function ruleEnvironment(): Environment {
  const { length: _, cost: __, listLength: ___, ...structure } = limits;
  const environment = new Environment({ limits: structure })
    .registerType('User', {
      ctor: RuleUser,
      fields: { id: 'string', email: 'string', department: 'string', attributes: 'map<string, dyn>' },
    })
    .registerType('Device', {
      ctor: RuleDevice,
      fields: { id: 'string', name: 'string', hardwareId: 'string', appVersion: 'string' },
    })
    .registerType('Source', { ctor: RuleSource, fields: { ip: 'string', country: 'string' } })
    .registerType('Time', {
      ctor: RuleTime,
      fields: { hour: 'int', minute: 'int', weekday: 'string', date: 'string' },
    })
    .registerVariable('user', 'User')
    .registerVariable('groups', 'list<string>')
    .registerVariable('device', 'Device')
    .registerVariable('posture', 'map<string, dyn>')
    .registerVariable('source', 'Source')
    .registerVariable('time', 'Time')
    .registerFunction('Time.between(string, string): bool', (t: RuleTime, a: string, b: string) => t.between(a, b))
    .registerFunction('Time.before(string): bool', (t: RuleTime, text: string) => t.before(text))
    .registerFunction('Time.after(string): bool', (t: RuleTime, text: string) => t.after(text));
  anyNumber(environment, 'Time.onWeekdays', (time: RuleTime, days) => time.onWeekdays(days));
  anyNumber(environment, 'Source.inCidr', (source: RuleSource, prefixes) => source.inCidr(prefixes));
  anyNumber(environment, 'Source.inCountry', (source: RuleSource, countries) => source.inCountry(countries));
  return environment;
}

class RuleUser {}

class RuleDevice {}

class RuleSource {
  declare readonly ip?: string;
  declare readonly country?: string;

  inCidr(prefixes: readonly string[]): boolean {
    const ranges = prefixes.map(ruleCidr);
    const address = this.ip === undefined ? null : parseUnmapped(this.ip);
    if (address === null) throw new RangeError('source.ip is not known');
    return ranges.some((range) => rangeContains(range, address.family, address.value));
  }

  inCountry(countries: readonly string[]): boolean {
    for (const country of countries) assertCountry(country);
    if (this.country === undefined) throw new RangeError('source.country is not known');
    return countries.includes(this.country);
  }
}

/** Registers a method that takes strings or one list of strings, because CEL has no variadic functions. */
function anyNumber<T>(environment: Environment, name: string, call: (self: T, values: readonly string[]) => boolean) {
  environment.registerFunction(`${name}(list<string>): bool`, (self: T, values: readonly string[]) =>
    call(self, values),
  );
  for (let count = 1; count <= maxStrings; count++) {
    const signature = `${name}(${Array(count).fill('string').join(', ')}): bool`;
    environment.registerFunction(signature, (self: T, ...values: string[]) => call(self, values));
  }
}

const maxStrings = 12;

function known(values: Readonly<Record<string, Attribute | object | undefined>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));
}
