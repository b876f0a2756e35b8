import { z } from 'zod';
import { ApiKey, CreateApiKey } from '../http/api-keys.ts';
import { byId, define, dryRunQuery, noQuery } from './define.ts';

/** Operations of the HTTP API that are about API keys. */
export const apiKeyOperations = define({
  createApiKey: {
    method: 'POST',
    path: '/tenants/api-keys',
    tag: 'API keys',
    right: 'own',
    fresh: true,
    summary: 'Create an API key; the key is shown once',
    query: dryRunQuery,
    dryRun: true,
    body: CreateApiKey,
    status: 201,
    response: ApiKey,
  },
  listApiKeys: {
    method: 'GET',
    path: '/tenants/api-keys',
    tag: 'API keys',
    right: 'own',
    summary: 'List API keys',
    query: noQuery,
    status: 200,
    response: z.array(ApiKey),
  },
  deleteApiKey: {
    method: 'DELETE',
    path: '/tenants/api-keys/{id}',
    tag: 'API keys',
    right: 'own',
    fresh: true,
    summary: 'Delete an API key',
    params: byId,
    query: dryRunQuery,
    dryRun: true,
    status: 204,
    failures: ['last_api_key'],
  },
});
