import { writeSync } from 'node:fs';
import { uptime } from 'node:os';
import { AgentClock, createLog, failureOf, stackOf, UsageError } from '@sallyport/agent-runtime';
import { cleanLines, jsonLine, safeJson } from '@sallyport/contract/text';
import { returnMemoryAfterStart, stopRequested } from '@sallyport/program';
import { companionProgram, root, version } from '@sallyport/program/place';
import { restartRequested, startAgain } from '@sallyport/program/restart';
import { helpText, parseCommand, type RunCommand } from './arguments.ts';
import { downGateway } from './commands/down.ts';
import { runGateway } from './commands/run.ts';
import { gatewayStatus } from './commands/status.ts';
import { upgradeHost } from './upgrades/host.ts';

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

async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseCommand(args);
    switch (command.kind) {
      case 'help':
        process.stdout.write(helpText);
        return 0;
      case 'version':
        process.stdout.write(`sally gateway ${version}\n`);
        return 0;
      case 'status': {
        const { text, code } = await gatewayStatus(command);
        process.stdout.write(command.json ? safeJson(text) : cleanLines(text));
        return code;
      }
      case 'down':
        void untilStopped(command);
        process.stdout.write(cleanLines(await downGateway(command)));
        return 0;
      case 'run':
        return await run(command);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      return complain(error.message, 2, args);
    }
    return complain(failureOf(error).message + stackOf(error, process.env.SALLYPORT_DEBUG), 1, args);
  }
}

function complain(message: string, exitCode: 1 | 2, args: readonly string[]): number {
  const code = exitCode === 2 ? 'usage' : 'failed';
  const line = jsonLine({ code, title: message, exitCode });
  process.stderr.write(args.includes('--json') ? line : cleanLines(`sally gateway: ${message}\n`));
  return exitCode;
}

async function run(command: RunCommand): Promise<number> {
  const { SALLYPORT_TOKEN: environment = null, SALLYPORT_TOKEN_FILE: environmentFile = null } = process.env;
  const { SALLYPORT_ALLOW_UPGRADES: allowUpgrades } = process.env;
  const { SALLYPORT_CA_FILE: caFile = null, SALLYPORT_WIREGUARD_GO: wireguardGo = null } = process.env;
  // Children must not inherit it.
  delete process.env.SALLYPORT_TOKEN;
  const log = createLog(command.logLevel, (line) => process.stderr.write(line), Date.now);
  process.on('uncaughtException', (error) => {
    log.error('crashed: the data plane goes on without the agent', {
      reason: failureOf(error).message + stackOf(error, process.env.SALLYPORT_DEBUG),
    });
    process.exit(1);
  });
  returnMemoryAfterStart();
  const result = await runGateway(command, {
    version: version,
    token: { environment, environmentFile },
    caFile: caFile || null,
    wireguardGo: wireguardGo || companionProgram('wireguard-go'),
    allowUpgrades: allowUpgrades === 'true',
    upgradeHost: upgradeHost(root, version, process.env),
    stdin: process.stdin,
    log,
    clock: new AgentClock(Date.now, () => uptime() * 1000),
    interrupted: untilStopped(command),
    restart: restartRequested(process),
  });
  if (result !== 'restart') return result;
  log.info('starting again: the data plane goes on');
  startAgain('gateway', process.argv.slice(2), process.env);
  return 1;
}

/** Keeps the process alive through signals while it works, up to the third within a second. */
function untilStopped({ stateDir, interface: link }: { stateDir: string; interface: string }): Promise<unknown> {
  return stopRequested(process, {
    closedOutput: 'continue',
    write: (text) => writeSync(2, text),
    left: () => `The tunnel ${link} and its firewall may still be there.
To remove them: sally gateway down --state-dir ${stateDir} --interface ${link}
`,
  });
}
