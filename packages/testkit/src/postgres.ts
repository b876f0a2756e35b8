import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cleanup } from './cleanup.ts';
import { until } from './wait.ts';

const run = promisify(execFile);

/** Options of a PostgreSQL server for tests. */
export interface PostgresOptions {
  /** Settings of the server, as `postgres -c` takes them. They win over those for quick tests. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Port on 127.0.0.1. Left out: a Unix socket alone. */
  readonly port?: number;
  /** Lines of pg_hba.conf. Left out: everybody who reaches the server is let in. */
  readonly access?: readonly string[];
  readonly encoding?: string;
}

/** A PostgreSQL server of its own in a temporary folder, run by a user without rights. */
export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  readonly #options: PostgresOptions;
  #child: ChildProcess | null = null;

  private constructor(folder: string, options: PostgresOptions) {
    this.folder = folder;
    this.port = options.port ?? 5432;
    this.#options = options;
  }

  /** Makes a server and starts it. Throws when PostgreSQL is not installed. */
  static async start(cleanup: Cleanup, options: PostgresOptions = {}): Promise<PostgresServer> {
    const server = PostgresServer.#make(cleanup, options);
    const { uid, gid } = userOfServer();
    const { folder } = server;
    const data = join(folder, 'data');
    const encoding = options.encoding ?? 'UTF8';
    const args = ['-D', data, '-U', 'sally', '--auth=trust', '--no-sync', '--locale=C', `--encoding=${encoding}`];
    await run(program('initdb'), args, { uid, gid, cwd: folder });
    if (options.access !== undefined) writeFileSync(join(data, 'pg_hba.conf'), `${options.access.join('\n')}\n`);
    await server.run();
    return server;
  }

  static #make(cleanup: Cleanup, options: PostgresOptions): PostgresServer {
    const folder = folderOfServer(cleanup, 'postgres', () => server.kill('SIGKILL'));
    const server = new PostgresServer(folder, options);
    return server;
  }

  /**
   * Makes a standby of this server, and starts it. It follows by streaming replication, through the Unix socket. `name`: as
   * `synchronous_standby_names` of this server knows it.
   */
  async standby(cleanup: Cleanup, name: string, port?: number): Promise<PostgresServer> {
    const server = PostgresServer.#make(cleanup, { ...this.#options, ...(port !== undefined && { port }) });
    const { uid, gid } = userOfServer();
    const source = `host=${this.folder} port=${this.port} user=sally application_name=${name}`;
    const target = ['-D', join(server.folder, 'data'), '--write-recovery-conf', '--wal-method=stream', '--no-sync'];
    await run(program('pg_basebackup'), [...target, '--checkpoint=fast', '-d', source], {
      uid,
      gid,
      cwd: server.folder,
    });
    await server.run();
    const streams = `SELECT 1 FROM pg_stat_replication WHERE application_name = '${name}' AND state = 'streaming'`;
    await until('the standby follows', async () => (await this.sql(streams)) === '1');
    return server;
  }

  /** Makes a standby the primary server. */
  async promote(): Promise<void> {
    await this.sql('SELECT pg_promote(true, 60)');
  }

  /** Changes a setting of the running server, and waits until it holds. */
  async set(name: string, value: string): Promise<void> {
    await this.sql(`ALTER SYSTEM SET ${name} = '${value}'`);
    await this.sql('SELECT pg_reload_conf()');
    await until(`${name} is ${value}`, async () => (await this.sql(`SHOW ${name}`)) === value);
  }

  /** URL of a database of this server and others, as a client names them that looks for the primary server. */
  urlWith(others: readonly PostgresServer[], database = 'postgres'): string {
    const all = [this, ...others];
    const [hosts, ports] = [all.map(({ folder }) => folder).join(), all.map(({ port }) => port).join()];
    return `postgres:///${database}?host=${encodeURIComponent(hosts)}&port=${ports}&user=sally`;
  }

  /** URL of a database of the server. */
  url(database = 'postgres', user = 'sally'): string {
    return `postgres:///${database}?host=${encodeURIComponent(this.folder)}&port=${this.port}&user=${user}`;
  }

  /** Runs SQL in a database, as the owner of the server, and returns what `psql` prints. */
  async sql(text: string, database = 'postgres'): Promise<string> {
    const { uid, gid } = userOfServer();
    const target = ['-h', this.folder, '-p', String(this.port), '-U', 'sally', '-d', database];
    const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...target, '-c', text];
    return (await run(program('psql'), args, { uid, gid, cwd: this.folder })).stdout.trim();
  }

  /** Starts the server, also again after `kill`. Resolves once it answers. */
  async run(): Promise<void> {
    const { port, settings = {} } = this.#options;
    const all = {
      listen_addresses: port === undefined ? '' : '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: this.folder,
      max_connections: '300',
      // What is lost without it is lost with the power only, not with a process.
      fsync: 'off',
      full_page_writes: 'off',
      ...settings,
    };
    const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const data = join(this.folder, 'data');
    const { child, said } = spawnServer(program('postgres'), ['-D', data, ...flags], this.folder);
    this.#child = child;
    await until('PostgreSQL answers', async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`PostgreSQL ended:\n${said()}`);
      return this.sql('SELECT 1').then(
        () => true,
        () => false,
      );
    });
  }

  /** Ends the server and waits for it. SIGKILL leaves everything as a crash does. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }
}

/** Starts a program as the user of servers. `said` returns the end of what it has written to standard error. */
export function spawnServer(
  program: string,
  args: readonly string[],
  folder: string,
): { readonly child: ChildProcess; readonly said: () => string } {
  const { uid, gid } = userOfServer();
  const child = spawn(program, args, { ...{ uid, gid, cwd: folder }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(-20_000);
  });
  return { child, said: () => said };
}

/** Makes a folder that belongs to the user of servers. At the end of the test `kill` is called, and the folder removed. */
export function folderOfServer(cleanup: Cleanup, name: string, kill: () => Promise<unknown>): string {
  cleanup.check();
  const folder = mkdtempSync(join(tmpdir(), `sallyport-${name}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  cleanup.add(async () => {
    await kill();
    remove();
    process.off('exit', remove);
  });
  const { uid, gid } = userOfServer();
  chownSync(folder, uid, gid);
  return folder;
}

/** Returns the user that servers of a test run as. They refuse to run as root. */
export function userOfServer(): { uid: number; gid: number } {
  const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()];
  if (uid !== 0) return { uid, gid };
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = lines.find((one) => one.startsWith('postgres:')) ?? lines.find((one) => one.startsWith('nobody:'));
  const [, , user, group] = (line ?? 'nobody:x:65534:65534').split(':');
  return { uid: Number(user), gid: Number(group) };
}

/** Returns the path of a program of PostgreSQL. Debian keeps them apart, by version. */
function program(name: string): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(debian, version, 'bin')), '/usr/bin', '/usr/local/bin'];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined)
    throw new Error(
      'PostgreSQL is missing. On Debian: apt-get install -y --no-install-recommends postgresql, with create_main_cluster = false in /etc/postgresql-common/createcluster.conf, so that no server is started',
    );
  return found;
}
