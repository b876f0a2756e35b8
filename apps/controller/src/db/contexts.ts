import type { WriteContext } from './store.ts';

/** Returns the context of a write by an agent in its tenant. */
export const byAgent = (
  agent: { readonly id: string; readonly tenant_id: string; readonly name: string | null },
  action: string,
): WriteContext => ({
  tenant: agent.tenant_id,
  actor: { kind: 'agent', id: agent.id, name: agent.name ?? agent.id },
  action,
  sourceIp: null,
  requestId: null,
});

/** Returns the context of a write by the controller itself. */
export const bySystem = (tenant: string, action: string): WriteContext => ({
  tenant,
  actor: { kind: 'system', id: null, name: 'controller' },
  action,
  sourceIp: null,
  requestId: null,
});
