import { hostname, release, type as systemName } from 'node:os';
import type { Readable } from 'node:stream';
import { defaultTiming } from '@sallyport/agent-core';
import type { AgentRole } from '@sallyport/contract/channel';
import type { AgentOptions } from './agent.ts';
import { sessionConfigOf } from './session-config.ts';
import type { StateDirectory } from './state/directory.ts';
import { chooseIdentity, type Identity, readIdentity, tokenHash, writeIdentity } from './state/identity.ts';
import { readToken, type TokenSources } from './token.ts';

/** Identity of an agent, and the token for a pending enrolment. */
export interface Enrolment {
  readonly role: AgentRole;
  readonly directory: StateDirectory;
  readonly identity: Identity;
  /** Token as text; null: none was given. */
  readonly token: string | null;
}

/** Reads the identity and the token. Stores a new identity on disk before it resolves. Throws UsageError. */
export async function readEnrolment(
  role: AgentRole,
  directory: StateDirectory,
  sources: TokenSources,
  stdin: Readable,
): Promise<Enrolment> {
  const known = await readIdentity(directory);
  const needed = known?.enrolledWith == null;
  const token = await readToken(sources, stdin, needed);
  const identity = chooseIdentity(role, known, token, directory.path);
  if (identity !== known) await writeIdentity(directory, identity);
  return { role, directory, identity, token };
}

/** Facts about the agent and its host for the controller, and the storage of its enrolment. */
export function agentOptionsOf(
  { role, directory, identity, token }: Enrolment,
  version: string,
): Pick<AgentOptions, 'session' | 'facts' | 'timing' | 'directory' | 'onPinned'> {
  let stored = identity;
  return {
    session: sessionConfigOf(role, identity, token, version),
    facts: { hostname: hostname(), os: systemName(), kernel: release() },
    timing: defaultTiming,
    directory,
    onPinned: (controllerKey, succeeds) => {
      const how = succeeds === null ? { enrolledWith: tokenHash(token ?? '') } : { earlierControllerKey: succeeds };
      stored = { ...stored, controllerKey, ...how };
      return writeIdentity(directory, stored);
    },
  };
}
