import { lstatSync, writeSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { clean, cleanLines, jsonLine, safeJson } from '@sallyport/contract/text';
import { exitCodeOf, returnMemoryAfterStart, type StopReason, stopRequested } from '@sallyport/program';
import { companionProgram, programArguments, root, version } from '@sallyport/program/place';
import { restartRequested, startAgain } from '@sallyport/program/restart';
import { parseCommand, type RunSettings, type UpCommand } from './arguments.ts';

// A reader that closes its pipe early ends that output only; a log without a reader ends nothing.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await main(process.argv.slice(2));
// Closing sockets, or an open standard input, must not keep a finished process alive.
process.exit();

/** Loads commands one by one: most need little, and `up` must be fast. */
async function main(args: readonly string[]): Promise<number> {
  let json = args.includes('--json');
  const output = {
    out: (text: string) => void process.stdout.write(json ? safeJson(text) : cleanLines(text)),
    error: (text: string) => void process.stderr.write(cleanLines(text)),
  };
  try {
    const command = parseCommand(args, process.env.SALLYPORT_CA_FILE || null);
    json = 'json' in command && command.json;
    if ('stateDir' in command) keepCompiled(command.stateDir);
    switch (command.kind) {
      case 'help':
        output.out(command.text);
        return 0;
      case 'version':
        output.out(`sally client ${version}\n`);
        return 0;
      case 'run':
        return await run(command);
      case 'up':
        return command.foreground ? await run(command) : await up(command, output);
      case 'down': {
        void untilStopped(command.stateDir);
        const { downClient } = await import('./commands/down.ts');
        const undone = await downClient(command, (pid) => void process.kill(pid, 'SIGKILL'));
        if (command.json) output.out(`${JSON.stringify({ undone })}\n`);
        else
          output.out(
            undone.length === 0 ? 'Nothing to undo.\n' : `Undone:\n${undone.map((what) => `  ${what}\n`).join('')}`,
          );
        return 0;
      }
      case 'ping':
        return await (await import('./commands/ask.ts')).pingTarget(command, output);
      case 'dns':
        return await (await import('./commands/ask.ts')).explainDns(command, output);
      case 'netcheck':
        return await (await import('./commands/ask.ts')).checkNetwork(command, output);
    }
  } catch (error) {
    return report(error, json);
  }
}

/**
 * Enables the compile cache, which cuts the start-up time to a third. The cache is next to the program, else with the
 * state, and only in a folder that no other user can write to.
 */
function keepCompiled(stateDir: string): void {
  const modules = join(root, 'node_modules');
  if (isOurs(modules)) enableCompileCache(join(modules, '.cache/sallyport'));
  else if (isOurs(stateDir)) enableCompileCache(join(stateDir, 'cache'));
}

function isOurs(path: string): boolean {
  const folder = lstatSync(path, { throwIfNoEntry: false });
  return folder?.isDirectory() === true && folder.uid === process.geteuid?.() && (folder.mode & 0o022) === 0;
}

async function up(command: UpCommand, output: { out: (text: string) => void; error: (text: string) => void }) {
  const [{ upClient }, { daemonEnvironment }] = await Promise.all([
    import('./commands/up.ts'),
    import('./commands/environment.ts'),
  ]);
  const interrupted = untilStopped(command.stateDir).then((reason) => {
    output.error(
      '\nsally: no longer waiting. A started client continues in the background: "sally status" shows it, "sally down" ends it.\n',
    );
    return exitCodeOf(reason);
  });
  const connected = upClient(command, {
    ...output,
    program: [process.execPath, ...programArguments('client')],
    environment: daemonEnvironment(process.env),
    kill: (pid) => void process.kill(pid, 'SIGKILL'),
    progress: process.stderr.isTTY === true ? (line) => void process.stderr.write(`\r\u001b[K${clean(line)}`) : null,
  });
  return Promise.race([interrupted, connected]);
}

async function run(command: RunSettings): Promise<number> {
  const { SALLYPORT_ENROLMENT_KEY: environment = null, SALLYPORT_ENROLMENT_KEY_FILE: environmentFile = null } =
    process.env;
  // Children must not inherit it.
  delete process.env.SALLYPORT_ENROLMENT_KEY;
  const { createLog, failureOf, stackOf } = await import('@sallyport/agent-runtime');
  const { runClient } = await import('./commands/run.ts');
  // The daemon may be killed, so this cannot wait until its end.
  setTimeout(flushCompileCache, 2_000).unref();
  returnMemoryAfterStart();
  const log = createLog(command.logLevel, (line) => process.stderr.write(line), Date.now);
  process.on('uncaughtException', (error) => {
    log.error('crashed: the tunnel stays up without the daemon', {
      reason: failureOf(error).message + stackOf(error, process.env.SALLYPORT_DEBUG),
    });
    process.exit(1);
  });
  const result = await runClient(command, {
    version: version,
    pid: process.pid,
    key: { environment, environmentFile },
    stdin: process.stdin,
    wireguardGo: process.env.SALLYPORT_WIREGUARD_GO || companionProgram('wireguard-go'),
    log,
    now: Date.now,
    sinceBoot: () => uptime() * 1000,
    interrupted: untilStopped(command.stateDir),
    restart: restartRequested(process),
  });
  if (result !== 'restart') return result;
  log.info('starting again: the tunnel stays up');
  // `sally up --foreground` goes on as the daemon: its settings are stored.
  const args = process.argv.slice(2);
  startAgain('client', args[0] === 'run' ? args : ['run', '--state-dir', command.stateDir], process.env);
  return 1;
}

/** Keeps the process alive through signals while it works, up to the third within a second. */
function untilStopped(stateDir: string): Promise<StopReason> {
  return stopRequested(process, {
    closedOutput: 'continue',
    write: (text) => writeSync(2, text),
    left: () => `The tunnel may still exist.\nTo remove it: sally down --state-dir ${stateDir}\n`,
  });
}

async function report(error: unknown, json: boolean): Promise<number> {
  const known = error instanceof Error && ['UsageError', 'CommandError'].includes(error.name);
  const message = known ? error.message : await unexpected(error);
  const code = error instanceof Error && error.name === 'UsageError' ? 2 : 1;
  process.stderr.write(
    json
      ? jsonLine({ code: code === 2 ? 'usage' : 'failed', title: message, exitCode: code })
      : cleanLines(`sally: ${message}\n`),
  );
  return code;
}

async function unexpected(error: unknown): Promise<string> {
  const { failureOf, stackOf } = await import('@sallyport/agent-runtime');
  return failureOf(error).message + stackOf(error, process.env.SALLYPORT_DEBUG);
}
