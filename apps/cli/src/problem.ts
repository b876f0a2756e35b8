import { Problem } from '@sallyport/contract';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import type { HttpAnswer } from './http.ts';
import { clean } from './text.ts';

/** Returns the typed name of the field that a JSON pointer names. */
export type NameField = (pointer: string) => string;

/** Creates the failure of a refused request: title, detail, each wrong field on its own line, and a hint. */
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

/** Creates the failure of an answer that the operation does not define. */
export function foreignAnswer(answer: HttpAnswer, where: string): Failure {
  const location = answer.headers.location;
  const text = `${where} answered HTTP ${answer.status}${location === undefined ? '' : ` to ${clean(location)}`}, which is not a valid answer of a Sallyport controller of this version`;
  const hint = 'Check --url and --base-path, and whether a proxy is in between.';
  return new Failure(GATEWAY_ERRORS.has(answer.status) ? exitCodes.unreachable : exitCodes.failed, text, { hint });
}

const HINTS: Readonly<Record<string, string>> = {
  unauthenticated: 'Sign in with `sally login`, or set SALLYPORT_API_KEY.',
  fresh_sign_in_required: 'Sign in again: sally login',
  sign_in_failed: 'Start again: sally login',
  sign_in_unavailable: 'Sign in with an API key: sally login --api-key',
  last_method: 'Add another sign-in method in the console first.',
  forbidden: 'Use an API key with a higher role: `sally keys list` shows them to an OWNER.',
  route_not_found: 'Check --base-path, and that controller and command line have the same version.',
  precondition_failed: 'Another user changed the object: read it again, then repeat the command.',
  in_use: 'Remove it from the objects that use it first.',
  invalid_reference: 'List objects with `sally users|groups|devices|resources|gateways|protocols|rules list`.',
  invalid_rule: 'For the fields of a rule, see: sally rules --help',
  rule_not_allowed: 'Omit --rule, or use --allow.',
  device_limit:
    'Raise the limit: `sally users update EMAIL --max-devices N` or `sally groups update GROUP --max-devices N`.',
  last_group: 'Add the user to another group first: `sally users groups add EMAIL GROUP`.',
  not_invited: 'Only users who have not accepted an invitation can be invited again.',
  not_deployed: 'Run the gateway first: `sally gateways token NAME` and `sally gateway run`.',
  last_api_key: 'Create another OWNER key first: `sally keys create NAME --role OWNER`.',
  public_key_taken: 'Each device needs its own key. Omit --public-key to create one.',
  changes_gone: 'Read the objects again, then follow without --since.',
  rate_limited: 'Wait a moment, then repeat the command.',
  unavailable: 'Wait a moment, then repeat the command.',
  internal: 'Search the controller’s log for this request id.',
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
