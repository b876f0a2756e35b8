import { Problem } from '@sallyport/contract';
import { Failure } from './failure.ts';
import { clean, displayWidth } from './text.ts';

/** A position in a text. Both numbers count from 1, columns in UTF-16 code units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * Returns the failure with the wrong line of the rule and a caret under the column, when the controller names a
 * position.
 */
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

/** Returns the line with its number and a caret below the column; undefined when the text has no such position. */
export function pointAt(text: string, { line, column }: Place): string | undefined {
  const source = text.split(/\r?\n/)[line - 1];
  if (source === undefined || column < 1 || column > source.length + 1) return undefined;
  const head = `  ${line} | `;
  return `${head}${clean(source)}\n${' '.repeat(head.length + displayWidth(clean(source.slice(0, column - 1))))}^`;
}

/** Returns whether a rule refers to time. This is the default of `hasTimeConstraint`. */
export const asksForTime = (rule: string): boolean => /(^|[^.\w])time\s*\./.test(rule);

function placeOf(problemText: string | undefined): Place | undefined {
  if (problemText === undefined) return undefined;
  const problem = Problem.safeParse(JSON.parse(problemText)).data;
  if (problem?.code !== 'invalid_rule') return undefined;
  const said = [...(problem.errors ?? []).map(({ message }) => message), problem.detail ?? ''];
  const found = said.map((text) => /\bline ([0-9]{1,5}),? column ([0-9]{1,5})\b/i.exec(text)).find(Boolean);
  return found ? { line: Number(found[1]), column: Number(found[2]) } : undefined;
}
