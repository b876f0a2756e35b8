import { ApiError, OperatorError } from '../../errors.ts';
import { type PostgresPlace, shownPlace } from './place.ts';

/** The database cannot be used at the moment. Nothing is known of what was under way. */
export class DatabaseUnavailable extends ApiError {
  constructor(detail = 'The database does not answer: try again in a moment', cause?: unknown) {
    super('unavailable', detail, [], 5);
    this.cause = cause;
  }
}

/** Returns the SQLSTATE of a failure, or the code of the operating system. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Whether a simultaneous transaction made a statement fail, so that a repetition may succeed. */
export const isConflict = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error)) || isStalePlan(error);

/** Whether a prepared statement is of no use any more, because a table has got other columns. */
export const isStalePlan = (error: unknown): boolean =>
  codeOf(error) === '0A000' &&
  error instanceof Error &&
  'routine' in error &&
  error.routine === 'RevalidateCachedQuery';

/** Whether a failure means that the connection is gone or the server does not serve. */
export function isLost(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true;
  const code = codeOf(error);
  return (
    lostStates.some((state) => code.startsWith(state)) ||
    lostCodes.has(code) ||
    (error instanceof Error && lostTexts.test(error.message))
  );
}

/** Classes and states: connection failures, too many connections, a server that stops. */
const lostStates = ['08', '53300', '57P'];
const lostCodes = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE'],
  ...['ENOENT', 'ECONNABORTED'],
]);
/** What the driver says without a code. */
const lostTexts =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded|Query read timeout|Postgres connection has been discarded|timeout expired)/;

/** Returns why the database cannot be opened, in words. Other failures stay as they are. */
export function openFailure(error: unknown, place: PostgresPlace): unknown {
  if (error instanceof OperatorError || !(error instanceof Error)) return error;
  const where = shownPlace(place);
  if (error instanceof DatabaseUnavailable) return new OperatorError(`${where}: ${error.message}`);
  const sentence = sentences[codeOf(error)];
  if (sentence !== undefined) return new OperatorError(sentence(place, where));
  if (codeOf(error) === protocolState) return new OperatorError(refusedText(error.message, place, where));
  // The server asks for a password and the URL has none.
  if (error.message.startsWith('SASL')) return new OperatorError(wrongPassword(place, where));
  const isTls = /certificate|self-signed|altname|SSL|TLS/i.test(`${codeOf(error)} ${error.message}`);
  if (isTls) return new OperatorError(tlsText(where, error.message));
  if (isLost(error)) return new OperatorError(`no PostgreSQL server answers at ${where}: ${error.message}`);
  return error;
}

/** State of everything that a pooler refuses. */
export const protocolState = '08P01';

function refusedText(message: string, place: PostgresPlace, where: string): string {
  if (message.includes('authentication failed')) return wrongPassword(place, where);
  if (/no such database|database .* does not exist/.test(message)) return noDatabase(place);
  return `a pooler refused the connection to ${where}: ${message}`;
}

const noDatabase = ({ database }: PostgresPlace): string =>
  `there is no database ${database} on the PostgreSQL server: create it (docs/postgresql.md)`;

const tlsText = (where: string, message: string): string =>
  `the connection to ${where} is not secure, so it was not used: ${message}. Name the authority of the server's certificate with SALLYPORT_DATABASE_CA_FILE`;

const noServer = ({ host, port }: PostgresPlace): string =>
  host.startsWith('/')
    ? `no PostgreSQL server listens in ${host} for port ${port}`
    : `no PostgreSQL server answers at ${host}, port ${port}: does it run, and may this machine reach it?`;

const wrongPassword = (_: PostgresPlace, where: string): string =>
  `PostgreSQL refused ${where}: the user or the password is wrong, or pg_hba.conf does not let this machine in`;

const sentences: Readonly<Record<string, (place: PostgresPlace, where: string) => string>> = {
  ECONNREFUSED: noServer,
  ETIMEDOUT: noServer,
  EHOSTUNREACH: noServer,
  ENETUNREACH: noServer,
  ENOENT: noServer,
  ENOTFOUND: ({ host }) => `there is no host with the name ${host} (SALLYPORT_DATABASE_URL)`,
  EAI_AGAIN: ({ host }) => `the name ${host} cannot be looked up now (SALLYPORT_DATABASE_URL)`,
  '28P01': wrongPassword,
  '28000': wrongPassword,
  '3D000': noDatabase,
  '42501': ({ user, database }) =>
    `the user ${user} lacks rights in the database ${database}: it must own the tables and be able to make more in its schema (docs/postgresql.md)`,
  '53300': () => 'PostgreSQL has no connection left: raise max_connections, or end other programs',
  '57P03': (_, where) => `PostgreSQL at ${where} is starting or stopping: try again in a moment`,
  '3F000': ({ user }) => `the user ${user} has no schema to make tables in (docs/postgresql.md)`,
};
