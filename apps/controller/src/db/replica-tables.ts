/* Tables of processes that share a database, as `schema.ts` has them. Empty in an embedded one. */

/** Processes that share the database. */
export interface ReplicaTable {
  id: string;
  name: string;
  version: string;
  /** Second half of the name of its lock. */
  lock_key: number;
  started_at: number;
  seen_at: number;
  /** Agents connected to it. */
  agents: number;
  /** Most revisions by which it was behind a tenant when it last looked. */
  behind: number;
  skew_ms: number;
  /** Number of the last fact that it stored. */
  fact_number: number;
  beacon: string | null;
}

/** What replicas tell each other. */
export interface FactTable {
  kind: string;
  object: string;
  tenant_id: string;
  value: string;
  generation: number;
  replica: string;
  number: number;
  at: number;
}
