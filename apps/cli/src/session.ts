import type { DryRun, OperationName, ResponseBody } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer, Call, Client, Connection } from './client.ts';
import { renderDryRun, withNames } from './dry-run.ts';
import { typedName } from './field-names.ts';
import { type ConnectionFlags, type Environment, resolveConnection } from './settings.ts';
import { type Cell, type Column, details, table } from './table.ts';
import { cleanLines, safeJson } from './text.ts';

/** A stream that commands write to. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Everything outside of the program. */
export interface Io {
  readonly env: Environment;
  readonly version: string;
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  readonly stdout: Output;
  readonly stderr: Output;
  now(): Date;
  /** Waits for a time in milliseconds. */
  wait(milliseconds: number): Promise<void>;
  randomBytes(size: number): Uint8Array;
  /** Name of this host. The default is `localhost`. */
  readonly hostName?: string;
  /** Opens an address in the person's browser, if there is one. */
  openBrowser?(url: string): void;
  /** Words of the command line, in order. */
  readonly argv?: readonly string[];
  /** Runs the device program with inherited output. Returns its exit code. */
  runClient?(args: readonly string[]): Promise<number>;
  /** Sends a signal to a process. A process that has ended is no failure. */
  signal?(pid: number, name: 'SIGUSR2' | 'SIGKILL'): void;
  /** Resolves when the program is asked to stop. From then on, `left` says what remains if it is ended at once. */
  stopRequested?(left: () => string): Promise<unknown>;
  /** Runs the program of backups in the same way. */
  runOperator?(args: readonly string[]): Promise<number>;
  /** State directory of this host's device, unless one is named. The default is the usual directory. */
  readonly clientStateDir?: string;
}

/** Options that every command takes. */
export interface GlobalFlags extends ConnectionFlags {
  readonly json?: boolean;
  readonly dataDir?: string;
}

/** Options of commands that write. */
export interface WriteFlags {
  readonly dryRun?: boolean;
  readonly ifMatch?: string;
}

/** The context of a command: the API, and the two output streams. */
export interface Session {
  readonly io: Io;
  readonly flags: GlobalFlags;
  /** Whether answers are printed as received, for programs. */
  readonly json: boolean;
  /** Whether standard output shows colour. */
  readonly colour: boolean;
  connection(): Promise<Connection>;
  api(): Promise<Client>;
  /** Returns the typed option or argument for the field that a problem names. */
  nameField(pointer: string): string;
  /** Writes text to standard output, without characters that could deceive its reader. */
  out(text: string): void;
  /** Writes a line for people to standard error. */
  note(text: string): void;
  table<T>(columns: readonly Column<T>[], items: readonly T[]): string;
  details(fields: readonly (readonly [string, Cell | undefined])[]): string;
  /** Prints an answer: exactly as received, or as `render` formats it. */
  show<T>(answer: Answer<T>, render: (body: T, etag: string | undefined) => string): void;
  /** Performs a write. A dry run prints the changes instead and returns undefined. */
  write<N extends OperationName>(
    name: N,
    flags: WriteFlags,
    call: Call<N>,
  ): Promise<Answer<ResponseBody<N>> | undefined>;
}

/**
 * Creates the session. `flags` and `running` (the running command) are called after the command line has been parsed.
 */
export function createSession(
  io: Io,
  flags: () => GlobalFlags,
  running: () => Command | undefined = () => undefined,
): Session {
  let connection: Promise<Connection> | undefined;
  const session: Session = {
    io,
    get flags() {
      return flags();
    },
    get json() {
      return flags().json === true;
    },
    colour: io.stdout.isTTY === true && !io.env.NO_COLOR && io.env.TERM !== 'dumb',
    connection: () => (connection ??= resolveConnection(flags(), io.env, () => readAll(io.stdin))),
    nameField: (pointer) => typedName(pointer, running()),
    api: async () => {
      const { createClient } = await import('./client.ts');
      return createClient({ ...(await session.connection()), nameField: session.nameField });
    },
    out: (text) => void io.stdout.write(session.json ? safeJson(text) : cleanLines(text, session)),
    note: (text) => void io.stderr.write(`${cleanLines(text)}\n`),
    table: (columns, items) => table(columns, items, session.colour),
    details: (fields) => details(fields, session.colour),
    show: (answer, render) => session.out(session.json ? exact(answer.text) : render(answer.body, answer.etag)),
    write: async (name, writeFlags, call) => {
      const api = await session.api();
      const ifMatch = writeFlags.ifMatch === undefined ? call.ifMatch : entityTag(writeFlags.ifMatch);
      if (writeFlags.dryRun !== true) return api.call(name, { ...call, ifMatch });
      const tried = await api.dryRun(name, { ...call, ifMatch });
      const plan = session.json ? tried.body : await withNames(api, tried.body);
      session.show({ ...tried, body: plan }, (shown: DryRun) => renderDryRun(shown, session));
      return undefined;
    },
  };
  return session;
}

/** Reads a stream to its end as text. */
export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function exact(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** Quotes an entity tag (RFC 9110 section 8.8.3), because people omit the quotes. */
function entityTag(text: string): string {
  return text === '*' || /^(W\/)?"/.test(text) ? text : `"${text}"`;
}
