import type { FastifyInstance } from 'fastify';

/** Longest body: a signed token. */
const bodyLimit = 16 * 1024;

/** Ends what a logout token names. Returns why it is refused, or null. */
export type Logout = (provider: string, token: string) => Promise<string | null>;

/**
 * Installs the address at which providers tell that a person has signed out there. It is a form and no operation of the API,
 * because OpenID Connect Back-Channel Logout 1.0 says so (2.5 to 2.8).
 */
export function installLogout(app: FastifyInstance, basePath: string, logout: Logout): void {
  app.register(async (scope) => {
    const type = 'application/x-www-form-urlencoded';
    scope.addContentTypeParser<string>(type, { parseAs: 'string', bodyLimit }, (_request, text, done) =>
      done(null, text),
    );
    scope.post<{ Params: { id: string }; Body: unknown }>(
      `${basePath}/sign-in/providers/:id/logout`,
      async (request, reply) => {
        const { body, params } = request;
        const token = typeof body === 'string' ? new URLSearchParams(body).get('logout_token') : null;
        const refused = token === null ? 'There is no logout_token' : await logout(params.id, token);
        if (refused === null) return reply.code(200).send();
        return reply.code(400).send({ error: 'invalid_request', error_description: refused });
      },
    );
  });
}
