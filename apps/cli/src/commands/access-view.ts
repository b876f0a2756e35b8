import { styleText } from 'node:util';
import type { Explanation } from '@sallyport/contract';
import type { Session } from '../session.ts';
import { clean, moment } from '../text.ts';

type Policy = Explanation['policies'][number];
type Condition = NonNullable<Policy['conditions']>[number];
type Gateway = Explanation['gateways'][number];

/** Formats each explanation from the first policy to the gateway that carries the traffic. */
export function renderExplanations(
  session: Pick<Session, 'colour'>,
  answers: readonly Explanation[],
  from: string,
  to: string,
): string {
  return answers.map((answer) => render(session.colour, answer, from, to)).join('\n');
}

function render(colour: boolean, answer: Explanation, from: string, to: string): string {
  const verdict = answer.allowed ? 'allowed' : 'denied';
  const who = answer.device?.name ?? from;
  const until = answer.validUntil === undefined ? 'until something changes' : `until ${moment(answer.validUntil)}`;
  const resources = answer.resources.map(({ name }) => clean(name)).join(', ');
  return [
    `${mark(answer.allowed ? 'yes' : 'no', colour)} ${clean(who)} → ${clean(to)}: ${verdict}; ${clean(answer.reason)}`,
    `  At ${moment(answer.at)}, ${until}.${resources === '' ? '' : ` Resources: ${resources}`}`,
    ...(answer.name === undefined ? [] : [`  ${nameLine(answer.name)}`]),
    ...section(
      'Policies, in the order of evaluation',
      answer.policies.flatMap((policy) => policyLines(policy, colour)),
    ),
    ...section(
      'Gateways',
      answer.gateways.flatMap((gateway) => gatewayLines(gateway, colour)),
    ),
    ...(answer.suggestions === undefined ? [] : suggestionLines(answer.suggestions)),
    '',
  ].join('\n');
}

function nameLine({ name, unicode, virtualAddresses, wildcards }: NonNullable<Explanation['name']>): string {
  const shown = unicode === undefined ? name : `${unicode} (${name})`;
  const addresses = virtualAddresses.length === 0 ? 'no virtual address yet' : virtualAddresses.join(', ');
  const covered = wildcards.length === 0 ? '' : `; covered by ${wildcards.join(', ')}`;
  return clean(`Name: ${shown}; ${addresses}${covered}`);
}

/** What would allow a denied connection. A change that is only a first step says so. */
function suggestionLines(suggestions: NonNullable<Explanation['suggestions']>): string[] {
  if (suggestions.length === 0) return [];
  const lines = suggestions.map(
    ({ text, sufficient }) => `${clean(text)}${sufficient ? '' : ' (more is needed then)'}`,
  );
  return section('What would allow it', lines);
}

function section(title: string, lines: readonly string[]): string[] {
  return [`  ${title}:`, ...(lines.length === 0 ? ['    none'] : lines.map((line) => `    ${line}`))];
}

function policyLines(policy: Policy, colour: boolean): string[] {
  const { outcome, type, order, name, reason, conditions = [] } = policy;
  const kind = outcome === 'allowed' ? 'yes' : outcome === 'denied' ? 'no' : 'none';
  const head = `${mark(kind, colour)} ${type} ${order} ${clean(name)}: ${WORDS[outcome]}; ${clean(reason)}`;
  return [head, ...conditions.map((condition) => conditionLine(condition, colour))];
}

const WORDS: Readonly<Record<Policy['outcome'], string>> = {
  allowed: 'allows',
  denied: 'denies',
  skipped: 'skipped',
  'no-match': 'does not match',
};

/** Formats a condition of an admission rule with its values. */
export function conditionLine({ expression, met, values, reason }: Condition, colour: boolean): string {
  const actual = Object.entries(values).map(
    ([name, value]) => `${clean(name)} = ${clean(JSON.stringify(value) ?? '-')}`,
  );
  const more = [...actual, ...(reason === undefined ? [] : [clean(reason)])].join('; ');
  return `    ${mark(met ? 'yes' : 'no', colour)} ${clean(expression)}${more === '' ? '' : `  (${more})`}`;
}

function gatewayLines({ name, status, chosen, reason, applied, resolution }: Gateway, colour: boolean): string[] {
  const head = `${mark(chosen ? 'yes' : 'none', colour)} ${clean(name)} (${clean(status)}): ${chosen ? 'chosen' : 'not chosen'}; ${clean(reason)}`;
  const resolved = resolution === undefined ? [] : [`    – ${clean(resolution)}`];
  return [head, `    ${mark(APPLIED[applied][0], colour)} ${APPLIED[applied][1]}`, ...resolved];
}

const APPLIED: Readonly<Record<Gateway['applied'], readonly [Kind, string]>> = {
  agrees: ['yes', 'the configuration in force there gives the same answer'],
  differs: ['no', 'the configuration in force there gives another answer right now'],
  unknown: ['none', 'the configuration in force there is not known'],
};

type Kind = 'yes' | 'no' | 'none';

function mark(kind: Kind, colour: boolean): string {
  const [sign, style] = ({ yes: ['✓', 'green'], no: ['✗', 'red'], none: ['–', 'dim'] } as const)[kind];
  return colour ? styleText(style, sign, { validateStream: false }) : sign;
}
