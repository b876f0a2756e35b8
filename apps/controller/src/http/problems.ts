import { type ErrorCode, errorCatalogue, type FieldError, type Problem } from '@sallyport/contract';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isStorageFull } from '../db/storage.ts';
import { ApiError } from '../errors.ts';
import type { AllowedMethods } from './allowed-methods.ts';

/** Answers every failure of the server as an RFC 9457 problem of our catalogue. Unknown failures become `internal`. */
export function installProblems(app: FastifyInstance, allowedMethods: AllowedMethods): void {
  const refuse = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const methods = allowedMethods(request.url.split('?')[0] ?? '');
    if (methods.length === 0) return sendProblem(request, reply, new ApiError('route_not_found'));
    return sendProblem(request, reply.header('allow', methods.join(', ')), new ApiError('method_not_allowed'));
  };
  app.setErrorHandler<FastifyError>((error, request, reply) => sendProblem(request, reply, asApiError(error, request)));
  // Before the body is read: a body, or a missing one, must not hide that the path does not take the method.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404 || request.routeOptions.config.refused === true) refuse(request, reply);
    else done();
  });
  app.setNotFoundHandler(refuse);
}

/** Answers failures that the framework meets before a route is known, such as a path that cannot be decoded. */
export function frameworkProblem(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(request, reply, asApiError(error as FastifyError, request));
}

/** Returns an error in the form of answers (RFC 9457). */
export function problemOf(error: ApiError, requestId: string): Problem {
  const { status, title } = errorCatalogue[error.code];
  return {
    type: `urn:sallyport:error:${error.code}`,
    title,
    status,
    code: error.code,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    requestId,
    ...(error.fields.length === 0 ? {} : { errors: error.fields.map((field: FieldError) => ({ ...field })) }),
  };
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: ApiError): FastifyReply {
  const problem = problemOf(error, request.id);
  if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter);
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send(Buffer.from(JSON.stringify(problem)));
}

const ofFramework: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_BAD_URL: 'route_not_found',
  FST_ERR_MAX_PARAM_LENGTH: 'route_not_found',
};

function asApiError(error: FastifyError, request: FastifyRequest): ApiError {
  if (error instanceof ApiError) return error;
  const code = ofFramework[error.code];
  if (code !== undefined) return new ApiError(code);
  if (error.code?.startsWith('FST_ERR_CTP')) return new ApiError('malformed_json');
  // The connection ended before the body did: there is no client left to answer.
  if (error.code === 'ECONNRESET' && request.raw.destroyed && !request.raw.complete)
    return new ApiError('malformed_json');
  if (isStorageFull(error)) return storageFull(error, request);
  request.log.error({ requestId: request.id, err: error }, 'a request failed inside of the controller');
  return new ApiError('internal');
}

let storageFullToldAt = Number.NEGATIVE_INFINITY;
/** The log may be on the same disk, so not every request is logged. */
const storageFullToldEveryMs = 10_000;

function storageFull(error: Error, request: FastifyRequest): ApiError {
  const now = performance.now();
  if (now - storageFullToldAt > storageFullToldEveryMs) {
    storageFullToldAt = now;
    request.log.error(
      { requestId: request.id, err: error },
      'nothing can be written: the disk that holds the database is full',
    );
  }
  return new ApiError('storage_full', undefined, [], 10);
}
