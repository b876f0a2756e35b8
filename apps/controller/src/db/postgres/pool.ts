import type { Duplex } from 'node:stream';
import type { PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { type Answer, Batch, type KeptStatements, type ReaderOf, sentValue } from './batch.ts';
import { codeOf, DatabaseUnavailable, isLost, isStalePlan } from './failures.ts';
import { fenceText, idleTime, isAstray, strayed } from './fence.ts';
import type { PostgresPlace } from './place.ts';

/** Connections of one controller, apart from the one that holds its lock. */
const connections = 20;
/** How long a new connection may take. */
const connectMs = 5_000;
/** A statement that takes longer is given up, together with its connection: the server may be gone without a word. */
const statementMs = 30_000;

/** Most callers that wait for a connection. Others are refused at once, so that a silent server fills no memory. */
const mostWaiting = 2_000;
/**
 * A transaction whose process stands still, or whose machine has vanished, is ended by the server after this time. It may
 * hold what other controllers wait for. The server also notices that the client is gone.
 */
const serverSettings = {
  idle_in_transaction_session_timeout: idleTime,
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
};
/** The same, as a connection without a pooler asks for it. */
export const serverOptions = Object.entries(serverSettings)
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ');

/** Ends a connection at once, whatever is under way on it. The server may be gone without a word. */
export function cutConnection(client: pg.ClientBase): void {
  streamOf(client).destroy();
}

const streamOf = (client: pg.ClientBase): Duplex =>
  (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection.stream;

/** Returns the settings of one connection. Those of the environment (PGHOST and others) do not count. */
export const clientConfig = (place: PostgresPlace, statementTimeoutMs = statementMs): pg.ClientConfig => ({
  host: place.host,
  port: place.port,
  database: place.database,
  user: place.user,
  password: place.password ?? '',
  ssl: place.tls ?? false,
  application_name: 'sallyport',
  connectionTimeoutMillis: connectMs,
  query_timeout: statementTimeoutMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  types: { getTypeParser: readerOf as pg.CustomTypesConfig['getTypeParser'] },
});

const [BOOL, INT8, INT2, INT4, FLOAT8, NUMERIC] = [16, 20, 21, 23, 701, 1700];
const numbers = new Set([INT8, INT2, INT4, FLOAT8, NUMERIC]);

/** Values as SQLite gives them: numbers, 0 and 1, texts. Integers are times and counts, far below 2^53. */
const readerOf: ReaderOf = (type) => {
  if (numbers.has(type)) return Number;
  return type === BOOL ? (text) => (text === 't' ? 1 : 0) : (text) => text;
};

/**
 * Gives connections while `usable` returns true. A connection that failed is closed and not given again. Statements that
 * come again and again are prepared once for each connection, unless a pooler is in between, which gives each transaction
 * another process of the server.
 */
export class PostgresPool {
  readonly options: object;
  readonly #usable: () => boolean;
  #server: ServerPool;

  constructor(place: PostgresPlace, usable: () => boolean, start?: ServerStart) {
    this.#server = new ServerPool(place, start);
    this.options = this.#server.options;
    this.#usable = usable;
  }

  async connect(): Promise<PostgresPoolClient> {
    if (!this.#usable()) throw new DatabaseUnavailable();
    const server = this.#server;
    const lent = await server.lend();
    // A different server may have become the primary server meanwhile.
    if (server !== this.#server || !this.#usable()) {
      lent.release(true);
      throw new DatabaseUnavailable();
    }
    return {
      query: ((text: string, values: readonly unknown[]) =>
        lent.query(text, values)) as unknown as PostgresPoolClient['query'],
      release: (destroy) => lent.release(destroy),
    };
  }

  /** Uses another server from now on. Nothing is sent to the one before any more: its connections end at once. */
  moveTo(place: PostgresPlace, start: ServerStart): void {
    if (this.#server.isAt(place, start)) return;
    this.#server.abandon();
    this.#server = new ServerPool(place, start);
  }

  /** Ends all connections, and what is under way on them: the server does not answer. */
  cut(): void {
    this.#server.cut();
  }

  end(): Promise<void> {
    return this.#server.end();
  }
}

/** One start of a server, by which its connections are told from those to another server. */
export interface ServerStart {
  readonly startedAt: string;
  /** Lock of the session at the server. A transaction through a pooler counts only where it is. */
  readonly fence: number;
  /** A connection has led to another server, or to this one after it was started again. */
  readonly left: () => void;
}

/** Connections to one server. */
class ServerPool {
  readonly options: pg.PoolConfig;
  readonly #place: PostgresPlace;
  readonly #start: ServerStart | undefined;
  readonly #pool: pg.Pool;
  readonly #statements: Statements;
  readonly #clients = new Set<pg.ClientBase>();

  constructor(place: PostgresPlace, start?: ServerStart) {
    this.#place = place;
    this.#start = start;
    const { pooler } = place;
    this.#statements = new Statements(pooler === undefined ? preparedTexts : 0);
    this.options = {
      ...clientConfig(pooler ?? place),
      max: connections,
      idleTimeoutMillis: 60_000,
      pipeline: true,
      // A pooler refuses options. Its transactions get them with the fence.
      ...(pooler === undefined && { options: serverOptions }),
      onConnect: (client: pg.ClientBase) => {
        this.#clients.add(client);
        client.once('end', () => this.#clients.delete(client));
        return start === undefined || pooler !== undefined ? undefined : refuseOther(client, start);
      },
    };
    this.#pool = new pg.Pool(this.options);
    // An idle connection ended: the next use makes a new connection.
    this.#pool.on('error', () => undefined);
  }

  isAt({ host, port, pooler }: PostgresPlace, { startedAt, fence }: ServerStart): boolean {
    if (pooler !== undefined) return this.#start?.fence === fence;
    return this.#start?.startedAt === startedAt && this.#place.host === host && this.#place.port === port;
  }

  async lend(): Promise<LentClient> {
    if (this.#pool.waitingCount >= mostWaiting) throw new DatabaseUnavailable(tooManyText);
    const start = this.#place.pooler === undefined ? undefined : this.#start;
    const client = await this.#pool.connect().catch((error: unknown) => {
      start?.left();
      throw lost(error);
    });
    return new LentClient(client, this.#statements, start);
  }

  /** Ends every connection at once, also in the middle of a statement. */
  cut(): void {
    for (const client of this.#clients) cutConnection(client);
    this.#clients.clear();
  }

  /** Ends every connection at once, and makes no more. */
  abandon(): void {
    this.cut();
    void this.end().catch(() => undefined);
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}

/** Throws when a new connection leads to another server. The address may have moved, and the session not yet. */
async function refuseOther(client: pg.ClientBase, { startedAt, left }: ServerStart): Promise<void> {
  const { rows } = await client.query<{ started: string }>(`SELECT ${startText} AS started`);
  if (rows[0]?.started === startedAt) return;
  left();
  throw new DatabaseUnavailable();
}

/** Tells the starts of servers apart, whatever address leads to them. */
export const startText = 'extract(epoch FROM pg_postmaster_start_time())::text';

const tooManyText = 'Too many requests wait for the database: try again in a moment';

/**
 * A connection while it is used. Statements are sent at once, also while others wait for their answers. Those of one turn
 * of the event loop are sent together.
 */
class LentClient {
  readonly #client: pg.PoolClient;
  readonly #statements: Statements;
  /** Left out: the connection leads to one server all the time. */
  readonly #start: ServerStart | undefined;
  /** Statements that are sent at the end of this turn. */
  #batch: Batch | null = null;
  /** BEGIN, when it was sent and its answer has not been waited for. */
  #begun: Promise<unknown> | null = null;
  /** Why the transaction is of no use. */
  #failure: unknown = null;
  /** The failure that a transaction away from the session ends with. */
  #strayed: DatabaseUnavailable | null = null;
  #ended = false;
  #inTransaction = false;
  // The connection may end between two statements, when no statement is there to fail.
  readonly #onError = (): void => {
    this.#ended = true;
  };

  constructor(client: pg.PoolClient, statements: Statements, start?: ServerStart) {
    this.#client = client;
    this.#start = start;
    this.#statements = statements;
    client.on('error', this.#onError);
  }

  async query(text: string, values: readonly unknown[]): Promise<Answer> {
    if (begins.test(text)) return this.#begin(text);
    if (!this.#inTransaction && this.#start !== undefined && !reads.test(text))
      return this.#writeAlone(this.#start, text, values);
    const before = this.#begun;
    this.#begun = null;
    if (ends.test(text)) this.#inTransaction = false;
    const sent = this.#send(text, values);
    const result = before === null ? await sent : (await Promise.all([sent, before]))[0];
    // The server undoes a transaction with a failed statement. The statement tells why.
    if (text === 'commit' && result.command === 'ROLLBACK')
      throw this.#strayed ?? this.#failure ?? new Error('the server has undone the transaction');
    return result;
  }

  release(destroy: boolean | undefined): void {
    this.#client.off('error', this.#onError);
    if (this.#ended) cutConnection(this.#client);
    this.#client.release(this.#ended || destroy);
  }

  /** Sends BEGIN together with the next statement, which waits for both. */
  #begin(text: string): Answer {
    this.#failure = null;
    this.#strayed = null;
    this.#inTransaction = true;
    const begun = this.#send(text, []);
    this.#begun = this.#start === undefined ? begun : Promise.all([begun, this.#sendFence(this.#start)]);
    this.#begun.catch(() => undefined);
    return { command: 'BEGIN', rowCount: 0, rows: [] };
  }

  /** A write without a transaction gets one, for the fence. All of it is sent at once. */
  async #writeAlone(start: ServerStart, text: string, values: readonly unknown[]): Promise<Answer> {
    this.#strayed = null;
    this.#inTransaction = true;
    const begun = this.#send('begin', []);
    const fenced = this.#sendFence(start);
    const sent = [begun, fenced, this.#send(text, values), this.#send('commit', [])] as const;
    // The connection is used for nothing else until all answers have come.
    const failed = (await Promise.allSettled(sent)).find(({ status }) => status === 'rejected');
    // The server has not come to the commit. When it does not answer any more, it undoes the transaction by itself.
    if (failed !== undefined && !this.#ended) await this.#send('rollback', []).catch(() => undefined);
    this.#inTransaction = false;
    if (isStalePlan((failed as PromiseRejectedResult | undefined)?.reason))
      return this.#writeAlone(start, text, values);
    const [, , result, { command }] = await Promise.all(sent);
    if (command === 'ROLLBACK') throw new Error('the server has undone the transaction');
    return result;
  }

  /** The server undoes the transaction, with all that follows, when the session is not there. */
  async #sendFence({ fence, left }: ServerStart): Promise<void> {
    try {
      await this.#ask(fenceText(fence), null, []);
    } catch (error) {
      this.#ended ||= isLost(error);
      if (!isAstray(error)) throw lost(error);
      this.#strayed = strayed(error);
      left();
      throw this.#strayed;
    }
  }

  async #send(text: string, values: readonly unknown[]): Promise<Answer> {
    const name = this.#statements.nameOf(text);
    try {
      return await this.#ask(text, name, values);
    } catch (error) {
      // A newer version has changed a table. What was prepared before is of no use at any connection.
      if (isStalePlan(error)) {
        if (this.#statements.forget(text, name) && !this.#inTransaction) return this.#send(text, values);
      }
      this.#ended ||= isLost(error);
      if (this.#strayed !== null) throw this.#strayed;
      if (codeOf(error) !== afterFailure) this.#failure = lost(error);
      throw lost(error);
    }
  }

  /** Puts a statement into the batch of this turn. */
  #ask(text: string, name: string | null, values: readonly unknown[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const statement = { text, name, values: values.map(sentValue), resolve, reject };
      this.#batch ??= this.#open();
      this.#batch.add(statement);
    });
  }

  #open(): Batch {
    const batch = new Batch(keptFor(this.#client), readerOf);
    process.nextTick(() => {
      this.#batch = null;
      this.#client.query(batch as unknown as pg.Submittable);
    });
    return batch;
  }
}

const begins = /^(begin|start transaction)/;
const ends = /^(commit|rollback)$/;
const reads = /^\s*select\b/i;
/** State of a statement that the server refused because an earlier one of the transaction had failed. */
const afterFailure = '25P02';

const keptStatements = new WeakMap<pg.PoolClient, KeptStatements>();

/** Returns what the server keeps for a connection, as long as it lasts. */
function keptFor(client: pg.PoolClient): KeptStatements {
  const kept = keptStatements.get(client) ?? new Map();
  keptStatements.set(client, kept);
  return kept;
}

const lost = (error: unknown): unknown =>
  isLost(error) && !(error instanceof DatabaseUnavailable) ? new DatabaseUnavailable(undefined, error) : error;

/** Texts counted at once, uses after which one is prepared, and most that are. */
const [countedTexts, usesBefore, preparedTexts] = [2_000, 3, 300];

/** Names for the statements that are worth preparing. Lists of varying length make endless texts. */
class Statements {
  readonly #most: number;
  #names = new Map<string, string>();
  /** Counts how often all names were forgotten. Names are never used twice. */
  #forgotten = 0;
  #uses = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  nameOf(text: string): string | null {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (this.#names.size >= this.#most) return null;
    const uses = (this.#uses.get(text) ?? 0) + 1;
    if (this.#uses.size >= countedTexts) this.#uses = new Map();
    this.#uses.set(text, uses);
    if (uses < usesBefore) return null;
    this.#uses.delete(text);
    const name = `s${this.#forgotten}_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
  /** Forgets all names, unless that has happened since this one was given. Returns whether the text may be sent again. */
  forget(text: string, name: string | null): boolean {
    if (name === null) return false;
    if (this.#names.get(text) !== name) return true;
    this.#names = new Map();
    this.#forgotten++;
    return true;
  }
}
