/** One process of a controller. A restart is another replica. */
export interface Replica {
  /** Random, chosen at the start of the process. */
  readonly id: string;
  /** Name of its host, for people. Several replicas may have the same. */
  readonly name: string;
  readonly version: string;
  /** Epoch milliseconds, time of the database. */
  readonly startedAt: number;
  readonly seenAt: number;
  /** Its beacon as JSON, from the last `announceBeacon`; null: it has none. Others may be of another version. */
  readonly beacon: unknown;
}

/** A value that replicas share without a revision: what an agent is seen to do, not what an administrator wants. */
export interface Fact {
  readonly tenant: string;
  /** What the value says, like `source` or `status`. */
  readonly kind: string;
  /** Id of the gateway or device that it is about. Some time after that was deleted, the fact is removed. */
  readonly object: string;
  /** JSON. Null: nothing is known any more. */
  readonly value: unknown;
  /**
   * Counts the moves of the object from one replica to another. A fact of an older generation never replaces a newer one.
   * 0 for facts that every replica may publish.
   */
  readonly generation: number;
}

/** A fact as it was stored. */
export interface StoredFact extends Fact {
  /** Id of the replica that published it. It may have ended. */
  readonly replica: string;
  /** When it was stored, epoch milliseconds, time of the database. */
  readonly at: number;
}

/** Facts of all replicas. */
export interface Facts {
  /**
   * Stores a fact of this replica and tells the others. Returns at once: facts are written in order, in batches, the newest
   * of each object and kind only. A failed write is repeated.
   */
  publish(fact: Fact): void;
  /**
   * Follows facts of one kind that other replicas publish. At first, and after a time without the database, the listener
   * gets all that are stored, also those of replicas that have ended. It may get the same fact again, and must return at
   * once.
   */
  follow(kind: string, listener: (fact: StoredFact) => void): void;
  /** Resolves when everything that was published before is stored. Rejects when that takes too long. */
  settled(): Promise<void>;
}

/** Answers a message of another replica with JSON, or with nothing. A failure is logged and counts as no answer. */
export type MessageHandler = (body: unknown, from: string) => unknown;

/**
 * This process among the replicas that share a database. With an embedded database there are no others, and nothing here
 * does anything.
 */
export interface Replicas {
  readonly self: Replica;
  /** No other process can use the database. */
  readonly alone?: true;
  /** Replicas whose lease has not ended, without this one. */
  others(): readonly Replica[];
  /** Whether the lease of this replica, or of itself, has not ended. */
  isAlive(id: string): boolean;
  /** Called after another replica came, ended, or got another beacon. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /**
   * When the primary database last answered, epoch milliseconds. Leases that this process signs end no later than this plus
   * their length.
   */
  lastContact(): number;
  /** Whether the database answered lately enough to sign for agents and to answer requests. */
  maySign(): boolean;
  /**
   * Tells the others where agents find the beacon of this replica, as JSON of at most 4 KiB, or null. It counts as a
   * change of this replica, so that their listeners are called. A failed write is repeated.
   */
  announceBeacon(beacon: unknown): void;
  /** Sends a message that may get lost. `others`: to every other replica. The body is JSON of at most 64 KiB. */
  tell(to: string, topic: string, body: unknown): void;
  /** Asks a replica. Null: it gave no answer in time, is not alive, or does not know the topic. */
  ask(to: string, topic: string, body: unknown, timeoutMs: number): Promise<unknown>;
  /** Sets the handler of a topic. One for each topic. */
  handle(topic: string, handler: MessageHandler): void;
  readonly facts: Facts;
}
