import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assetFolder } from '@sallyport/program/place';
import type { FastifyInstance } from 'fastify';

/** Serves the OpenAPI document and a viewer for it from local files, without internet access. */
export function installDocs(app: FastifyInstance, document: () => object): void {
  let text: string | null = null;
  app.get('/openapi.json', (_request, reply) => {
    text ??= JSON.stringify(document());
    return reply.type('application/json; charset=utf-8').send(text);
  });
  app.get('/docs', (_request, reply) => reply.header('content-security-policy', policy).type('text/html').send(page));
  app.get('/docs/start.js', (_request, reply) => reply.type('text/javascript').send(start));
  for (const [name, type] of Object.entries(assets))
    app.get(`/docs/${name}`, async (_request, reply) => {
      const content = await readFile(join(assetFolder('api-viewer'), name));
      return reply.type(type).header('cache-control', 'public, max-age=3600').send(content);
    });
}

const assets = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'favicon-32x32.png': 'image/png',
} as const;

const policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sallyport API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
});
`;
