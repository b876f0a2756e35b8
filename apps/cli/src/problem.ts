import { Problem } from '@sallyport/contract';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import type { HttpAnswer } from './http.ts';
import { clean } from './text.ts';

/** What a person calls the field that a JSON pointer names. */
export type NameField = (pointer: string) => string;

/** The failure that a refused request ends in: title, detail, each bad field on a line of its own, and a hint. */
export function problemFailure(answer: HttpAnswer, where: string, nameField: NameField = String): Failure {
  const problem = readProblem(answer.text);
  if (problem === undefined) return foreignAnswer(answer, where);
  const { title, detail = title } = problem;
  const lines = [
    clean(title),
    ...(detail === title ? [] : [clean(detail)]),
    ...(problem.errors ?? [])
      .filter(({ message }) => !detail.startsWith(message))
      .map(({ pointer, message }) => `  ${clean(nameField(pointer))}: ${clean(message)}`),
    ...(answer.status >= 500 && problem.requestId !== undefined ? [`  request ${clean(problem.requestId)}`] : []),
  ];
  const hint = HINTS[problem.code];
  return new Failure(exitCodeOf(answer.status, problem.code), lines.join('\n'), { hint, problemText: answer.text });
}

/** An answer that is not what the operation promises. */
export function foreignAnswer(answer: HttpAnswer, where: string): Failure {
  const location = answer.headers.location;
  const text = `${where} answered HTTP ${answer.status}${location === undefined ? '' : ` to ${clean(location)}`}, which no Sallyport controller of this version does here`;
  const hint = 'Check --url and --base-path, and whether a proxy stands in between.';
  return new Failure(GATEWAY_ERRORS.has(answer.status) ? exitCodes.unreachable : exitCodes.failed, text, { hint });
}

const HINTS: Readonly<Record<string, string>> = {
  unauthenticated: 'Sign in with `sally login`, or set SALLYPORT_API_KEY.',
  forbidden: 'Use an API key with a higher role: `sally keys list` shows them to an OWNER.',
  route_not_found: 'Check --base-path, and that controller and command line are of the same version.',
  precondition_failed: 'Somebody else changed it: look at it again, then repeat the command.',
  in_use: 'Take it out of the objects that use it first.',
  invalid_reference: 'List what exists with `sally users|groups|devices|resources|gateways|protocols|rules list`.',
  invalid_rule: 'What a rule may ask for: sally rules --help',
  rule_not_allowed: 'Leave --rule out, or let the policy allow.',
  device_limit: 'Raise it: `sally users update EMAIL --max-devices N` or `sally groups update GROUP --max-devices N`.',
  last_group: 'Put the user into another group first: `sally users groups add EMAIL GROUP`.',
  not_invited: 'Only users who have not accepted yet can be invited again.',
  not_deployed: 'Run the gateway first: `sally gateways token NAME` and `sally gateway run`.',
  last_api_key: 'Create another OWNER key first: `sally keys create NAME --role OWNER`.',
  public_key_taken: 'Each device needs a key of its own: leave --public-key out and one is made.',
  changes_gone: 'Read what you need anew, then follow without --since.',
  rate_limited: 'Wait a little, then repeat the command.',
  unavailable: 'Wait a little, then repeat the command.',
  internal: 'The controller’s log says more under this request id.',
};

const GATEWAY_ERRORS: ReadonlySet<number> = new Set([502, 503, 504]);

function readProblem(text: string): Problem | undefined {
  try {
    return Problem.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function exitCodeOf(httpStatus: number, code: string): ExitCode {
  if (code === 'route_not_found') return exitCodes.failed;
  if (GATEWAY_ERRORS.has(httpStatus)) return exitCodes.unreachable;
  return EXIT_CODES[httpStatus] ?? exitCodes.failed;
}

const EXIT_CODES: Readonly<Record<number, ExitCode>> = {
  400: exitCodes.usage,
  401: exitCodes.notAllowed,
  403: exitCodes.notAllowed,
  404: exitCodes.notFound,
  409: exitCodes.conflict,
  412: exitCodes.conflict,
  413: exitCodes.usage,
  415: exitCodes.usage,
  422: exitCodes.usage,
};
