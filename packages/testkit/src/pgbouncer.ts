import type { ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { folderOfServer, type PostgresServer, spawnServer } from './postgres.ts';
import { until } from './wait.ts';

/** Options of a pooler for tests. */
export interface PgBouncerOptions {
  /** Settings of the section `pgbouncer`. They win over the ones that tests need. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Databases of the server by the name at the pooler, where the two differ. */
  readonly databases?: Readonly<Record<string, string>>;
}

/** A PgBouncer of its own in a temporary folder, in front of a PostgreSQL server, in transaction mode. */
export class PgBouncer {
  readonly folder: string;
  readonly #file: string;
  #child: ChildProcess | null = null;

  private constructor(folder: string) {
    this.folder = folder;
    this.#file = join(folder, 'pgbouncer.ini');
  }

  /** Makes a pooler and starts it. Throws when PgBouncer is not installed. */
  static async start(cleanup: Cleanup, server: PostgresServer, options: PgBouncerOptions = {}): Promise<PgBouncer> {
    const folder = folderOfServer(cleanup, 'pgbouncer', () => pooler.kill('SIGKILL'));
    const pooler = new PgBouncer(folder);
    writeFileSync(join(folder, 'users'), '"sally" ""\n');
    pooler.configure(server, options);
    await pooler.run();
    return pooler;
  }

  /** URL of a database of the server, through the pooler. */
  url(database = 'postgres', user = 'sally'): string {
    return `postgres:///${database}?host=${encodeURIComponent(this.folder)}&port=${port}&user=${user}`;
  }

  /** Writes the settings. They count from the next start on, or as soon as the pooler reads them. */
  configure(server: PostgresServer, { settings = {}, databases = {} }: PgBouncerOptions = {}): void {
    const values = {
      auth_type: 'trust',
      auth_file: join(this.folder, 'users'),
      listen_addr: '',
      listen_port: String(port),
      unix_socket_dir: this.folder,
      pool_mode: 'transaction',
      max_client_conn: '300',
      ...settings,
    };
    const lines = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
    const target = `host=${server.folder} port=${server.port}`;
    const named = Object.entries(databases).map(([name, database]) => `${name} = ${target} dbname=${database}`);
    const all = ['[databases]', ...named, `* = ${target}`, '[pgbouncer]', ...lines];
    writeFileSync(this.#file, `${all.join('\n')}\n`);
  }

  /** Starts the pooler, also again after `kill`. Resolves once it takes connections. */
  async run(): Promise<void> {
    if (program === null) throw new Error(String(withoutPgBouncer));
    const { child, said } = spawnServer(program, ['-q', this.#file], this.folder);
    this.#child = child;
    await until('PgBouncer answers', () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`PgBouncer ended:\n${said()}`);
      return listens(join(this.folder, `.s.PGSQL.${port}`));
    });
  }

  /** Sends a signal: with SIGHUP the pooler reads its settings again, and connections of clients stay. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends the pooler and waits for it. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }
}

/** In the name of the socket. */
const port = 6432;

const listens = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Debian keeps the program where only root looks. */
const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path)) ?? null;

/** Why tests with PgBouncer cannot run on this machine; false: they can. */
export const withoutPgBouncer: string | false =
  program === null && 'needs PgBouncer. On Debian: apt-get install -y --no-install-recommends pgbouncer';
