import { Problem } from '@sallyport/contract';
import { Failure } from './failure.ts';
import { clean, displayWidth } from './text.ts';

/** A place in a text; both count from 1, columns in UTF-16 code units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The failure with the line of the rule in question and a caret under the column, where the controller names one. */
export function withCaret(failure: Failure, rule: string): Failure {
  const place = placeOf(failure.problemText);
  const shown = place === undefined ? undefined : pointAt(rule, place);
  if (shown === undefined) return failure;
  const { exitCode, hint, problemText } = failure;
  return new Failure(exitCode, `${failure.message}\n${shown}`, {
    hint,
    ...(problemText === undefined ? {} : { problemText }),
  });
}

/** The line with its number, and a caret below the column; undefined when the text has no such place. */
export function pointAt(text: string, { line, column }: Place): string | undefined {
  const source = text.split(/\r?\n/)[line - 1];
  if (source === undefined || column < 1 || column > source.length + 1) return undefined;
  const head = `  ${line} | `;
  return `${head}${clean(source)}\n${' '.repeat(head.length + displayWidth(clean(source.slice(0, column - 1))))}^`;
}

/** Whether a rule speaks of the time; what `hasTimeConstraint` says unless it is given. */
export const asksForTime = (rule: string): boolean => /(^|[^.\w])time\s*\./.test(rule);

function placeOf(problemText: string | undefined): Place | undefined {
  if (problemText === undefined) return undefined;
  const problem = Problem.safeParse(JSON.parse(problemText)).data;
  if (problem?.code !== 'invalid_rule') return undefined;
  const said = [...(problem.errors ?? []).map(({ message }) => message), problem.detail ?? ''];
  const found = said.map((text) => /\bline ([0-9]{1,5}),? column ([0-9]{1,5})\b/i.exec(text)).find(Boolean);
  return found ? { line: Number(found[1]), column: Number(found[2]) } : undefined;
}
