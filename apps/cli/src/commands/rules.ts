import type { AdmissionRule, RuleTrial } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { exitCodes, Failure, Finished, usage } from '../failure.ts';
import { readText } from '../files.ts';
import { kinds, resolveId } from '../resolve.ts';
import { asksForTime, pointAt, withCaret } from '../rule-text.ts';
import { readAll, type Session, type WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';
import { momentOf } from './access.ts';
import { conditionLine } from './access-view.ts';
import { clearable, given, onOff, writes } from './options.ts';

interface RuleFlags {
  readonly name?: string;
  readonly rule?: string;
  readonly file?: string;
  readonly timeZone?: string;
  readonly timeConstraint?: boolean;
}

const EXAMPLES = `
A rule is a CEL expression over user, groups, device, posture, source and time.

Examples:
  sally rules create Engineering --rule "user.department == 'Engineering'"
  sally rules create 'Office hours' --time-zone Europe/Zurich --rule "time.between('08:00', '18:00')"
  sally rules create Inside --rule "source.inCidr(['10.0.0.0/8', '192.0.2.0/24']) || source.inCountry('CH')"
  sally rules update Compliant --file compliant.cel
  sally rules try --file compliant.cel --device anna-laptop`;

/** Adds `sally rules …`. */
export function addRules(program: Command, session: Session): void {
  const group = program
    .command('rules')
    .alias('rule')
    .description('admission rules: conditions of allow policies')
    .addHelpText('after', EXAMPLES);
  addReads(group, session);
  addWrites(group, session);
  addTry(group, session);
}

function addReads(group: Command, session: Session): void {
  group
    .command('list')
    .description('list admission rules')
    .action(async () => {
      const answer = await (await session.api()).call('listAdmissionRules');
      session.show(answer, (rules) => session.table(columns, rules));
    });
  group
    .command('get')
    .argument('<rule>', 'name or id')
    .description('show an admission rule')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.rule, text);
      showRule(session, await api.call('getAdmissionRule', { params: { id } }));
    });
}

function addWrites(group: Command, session: Session): void {
  const create = group.command('create').argument('<name>').description('create an admission rule');
  writes(fields(create), 'createAdmissionRule').action(async (name: string, flags: RuleFlags & WriteFlags) => {
    const rule = await ruleText(session, flags);
    if (rule === undefined) throw usage('A rule needs a text', 'Give --rule TEXT or --file FILE.');
    const body = { name, rule, hasTimeConstraint: flags.timeConstraint ?? asksForTime(rule), ...zone(flags) };
    const answer = await pointing(rule, () => session.write('createAdmissionRule', flags, { body }));
    if (answer !== undefined) showRule(session, answer);
  });
  const update = group
    .command('update')
    .argument('<rule>', 'name or id')
    .description('change the given fields and keep the others')
    .option('--name <name>');
  writes(fields(update), 'updateAdmissionRule').action(async (text: string, flags: RuleFlags & WriteFlags) =>
    updateRule(session, text, flags),
  );
  const remove = group
    .command('delete')
    .argument('<rule>', 'name or id')
    .description('delete an admission rule that no policy uses');
  writes(remove, 'deleteAdmissionRule').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.rule, text);
    const answer = await session.write('deleteAdmissionRule', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted admission rule ${clean(text)}.\n`);
  });
}

function addTry(group: Command, session: Session): void {
  group
    .command('try')
    .description('check the text of a rule, and evaluate it for a device or user; nothing is stored')
    .option('--rule <text>', 'the expression')
    .option('--file <file>', 'read the expression from a file; - is standard input')
    .option('--time-zone <zone>', 'time zone of the rule, such as Europe/Zurich (default: the tenant’s)')
    .option('--device <device>', 'evaluate for this device, by name or id')
    .option('--user <user>', 'evaluate for this user on a new device, by e-mail address or id')
    .option('--at <moment>', 'evaluate for another time, such as 2026-12-24T18:00:00Z')
    .action(async (flags: TryFlags) => tryRule(session, flags));
}

interface TryFlags extends RuleFlags {
  readonly device?: string;
  readonly user?: string;
  readonly at?: string;
}

/** Exits with a failure for a text with an error. A rule that is not met is an answer, no failure. */
async function tryRule(session: Session, flags: TryFlags): Promise<void> {
  const rule = await ruleText(session, flags);
  if (rule === undefined) throw usage('A rule needs a text', 'Give --rule TEXT or --file FILE.');
  const api = await session.api();
  const [device, user] = [
    flags.device === undefined ? undefined : await resolveId(api, kinds.device, flags.device),
    flags.user === undefined ? undefined : await resolveId(api, kinds.user, flags.user),
  ];
  const at = flags.at === undefined ? undefined : momentOf(flags.at);
  const answer = await api.call('tryAdmissionRule', {
    body: { rule, ...given({ device, user, at, timeZone: flags.timeZone }) },
  });
  const { problem, result } = answer.body;
  if (problem !== undefined) {
    if (session.json) {
      session.show(answer, () => '');
      throw new Finished(exitCodes.failed);
    }
    const { line, column, message, hint } = problem;
    const place = pointAt(rule, problem);
    const where = `line ${line}, column ${column}: ${clean(message)}`;
    throw new Failure(exitCodes.failed, place === undefined ? where : `${where}\n${place}`, { hint: clean(hint) });
  }
  session.show(answer, () => (result === undefined ? 'The rule is valid.\n' : trialText(result, session.colour)));
}

function trialText({ met, reason, conditions }: NonNullable<RuleTrial['result']>, colour: boolean): string {
  const verdict = met ? 'The rule is met.' : `The rule is not met: ${clean(reason ?? 'it is not true')}`;
  return `${[verdict, ...conditions.map((condition) => conditionLine(condition, colour))].join('\n')}\n`;
}

function fields(command: Command): Command {
  return command
    .option('--rule <text>', 'the expression')
    .option('--file <file>', 'read the expression from a file; - is standard input')
    .option('--time-zone <zone>', 'time zone of the rule, such as Europe/Zurich; empty: the tenant’s')
    .addOption(
      onOff('--time-constraint <on|off>', 'whether the rule depends on time (default: derived from its text)'),
    );
}

async function updateRule(session: Session, text: string, flags: RuleFlags & WriteFlags): Promise<void> {
  const named = await ruleText(session, flags);
  if ([named, flags.name, flags.timeZone, flags.timeConstraint].every((value) => value === undefined))
    throw usage('No change is named', 'See: sally rules update --help');
  const api = await session.api();
  const id = await resolveId(api, kinds.rule, text);
  const before = await api.call('getAdmissionRule', { params: { id } });
  const { name, hasTimeConstraint, timeZone } = before.body;
  const rule = named ?? before.body.rule ?? '';
  const body = {
    ...given({ timeZone }),
    ...zone(flags),
    name: flags.name ?? name,
    rule,
    hasTimeConstraint: flags.timeConstraint ?? (named === undefined ? hasTimeConstraint : asksForTime(named)),
  };
  const call = { params: { id }, body, ifMatch: before.etag };
  const answer = await pointing(rule, () => session.write('updateAdmissionRule', flags, call));
  if (answer !== undefined) showRule(session, answer);
}

const zone = ({ timeZone }: RuleFlags) => given({ timeZone: clearable(timeZone) });

async function ruleText(session: Session, { rule, file }: RuleFlags): Promise<string | undefined> {
  if (rule !== undefined && file !== undefined) throw usage('--rule and --file cannot be combined');
  if (file === undefined) return rule;
  const text = file === '-' ? await readAll(session.io.stdin) : await readText(file);
  if (text === undefined) throw usage(`There is no file ${file}`);
  return text.trimEnd();
}

/** Runs `work`; its failure then shows where the rule's text is wrong. */
async function pointing<T>(rule: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Failure ? withCaret(error, rule) : error;
  }
}

function showRule(session: Session, answer: Answer<AdmissionRule>): void {
  session.show(answer, (rule, etag) => {
    const [first = '-', ...more] = rule.rule?.split(/\r?\n/) ?? [];
    return session.details([
      ['Name', rule.name],
      ['Id', rule.id],
      ['Type', rule.type],
      ['Rule', first],
      ...more.map((line) => ['', line] as const),
      ['Problem', rule.problem === undefined ? undefined : problemText(rule.problem)],
      ['Depends on time', rule.hasTimeConstraint ? `yes, in ${rule.timeZone ?? 'the zone of the tenant'}` : 'no'],
      ['Updated at', moment(rule.updatedAt)],
      ['ETag', etag],
    ]);
  });
}

/** Describes the problem of a broken rule. Such a rule keeps its text and never matches. */
const problemText = ({ line, column, message, hint }: NonNullable<AdmissionRule['problem']>): string =>
  `broken, so it never matches: line ${line}, column ${column}: ${message}. ${hint}`;

const columns: readonly Column<AdmissionRule>[] = [
  { heading: 'NAME', cell: (r) => r.name },
  { heading: 'TYPE', cell: (r) => (r.problem === undefined ? r.type : 'BROKEN') },
  { heading: 'RULE', cell: (r) => shortened(r.rule ?? '-') },
  { heading: 'ZONE', cell: (r) => r.timeZone ?? '-' },
  { heading: 'ID', cell: (r) => r.id },
];

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text);
