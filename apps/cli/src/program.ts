import { Command, CommanderError } from 'commander';
import { addAccess } from './commands/access.ts';
import { addAccount } from './commands/account.ts';
import { addAddresses } from './commands/addresses.ts';
import { addAudit } from './commands/audit.ts';
import { addChanges } from './commands/changes.ts';
import { addClient } from './commands/client.ts';
import { addCompletion } from './commands/completion.ts';
import { addDeclared } from './commands/declared.ts';
import { addDevices } from './commands/devices.ts';
import { addEnrolmentKeys } from './commands/enrolment-keys.ts';
import { addGateways } from './commands/gateways.ts';
import { addGroups } from './commands/groups.ts';
import { addKeys } from './commands/keys.ts';
import { addOperator } from './commands/operator.ts';
import { addPolicies } from './commands/policies.ts';
import { addProtocols } from './commands/protocols.ts';
import { addResources } from './commands/resources.ts';
import { addRoles } from './commands/roles.ts';
import { addRules } from './commands/rules.ts';
import { addStatus } from './commands/status.ts';
import { addSettings } from './commands/tenant-settings.ts';
import { addTenants } from './commands/tenants.ts';
import { addUsers } from './commands/users.ts';
import { exitCodeMeanings, exitCodes, Failure, Finished } from './failure.ts';
import { createSession, type GlobalFlags, type Io, type Session } from './session.ts';
import { DEFAULT_URL } from './settings.ts';
import { cleanLines, jsonLine, safeJson } from './text.ts';
import { usageFailure } from './usage-errors.ts';

/** Carries out one command line (without the program's own name). Gives the exit code and never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const program = createProgram(io);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const failure = error instanceof CommanderError ? usageFailure(error, program, argv) : error;
    return report(failure, io, program.opts<GlobalFlags>().json === true || argv.includes('--json'));
  }
}

/** The whole tree of commands. */
export function createProgram(io: Io): Command {
  const program = new Command('sally');
  let running: Command | undefined;
  program.hook('preAction', (_, command) => {
    running = command;
  });
  const session: Session = createSession(
    io,
    () => program.opts<GlobalFlags>(),
    () => running,
  );
  program
    .description('Sallyport: who may reach what, through which gateways, over WireGuard.')
    .usage('[options] <command>')
    .version(io.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(cleanLines(text)),
      writeErr: (text) => io.stderr.write(cleanLines(text)),
      // Errors are reported like every other failure.
      outputError: () => {},
    })
    .showSuggestionAfterError(false)
    .configureHelp({ showGlobalOptions: true })
    .option('--url <url>', `address of the controller (SALLYPORT_URL; else as stored, else ${DEFAULT_URL})`)
    .option('--base-path <path>', 'path of the API below it (SALLYPORT_API_BASE_PATH), such as /qa')
    .option(
      '--api-key-file <file>',
      'file with the API key (SALLYPORT_API_KEY_FILE, or SALLYPORT_API_KEY); - is standard input',
    )
    .option('--data-dir <dir>', 'data directory of the controller on this host (SALLYPORT_DATA_DIR), for tenants')
    .option('--ca-file <file>', 'certificate authority to trust beside those of the system (SALLYPORT_CA_FILE)')
    .option('--insecure', 'let the API key go over http:// to another host (SALLYPORT_INSECURE=on)')
    .option('--json', 'print answers as the controller gave them; failures as JSON on standard error')
    .addHelpText('after', helpEnd());
  addFamilies(program, session);
  return program;
}

function addFamilies(program: Command, session: Session): void {
  program.commandsGroup('Network:');
  addGateways(program, session);
  addResources(program, session);
  addProtocols(program, session);
  addAddresses(program, session);
  program.commandsGroup('Access:');
  addUsers(program, session);
  addGroups(program, session);
  addRoles(program, session);
  addDevices(program, session);
  addEnrolmentKeys(program, session);
  addPolicies(program, session);
  addRules(program, session);
  addAccess(program, session);
  program.commandsGroup('This host as a device:');
  addStatus(program, session);
  addClient(program, session);
  program.commandsGroup('Administration:');
  addAccount(program, session);
  addKeys(program, session);
  addDeclared(program, session);
  addAudit(program, session);
  addChanges(program, session);
  addSettings(program, session);
  addTenants(program, session);
  addOperator(program, session);
  addCompletion(program, session);
  program.helpCommand(false);
}

function helpEnd(): string {
  const codes = Object.entries(exitCodes).map(
    ([name, code]) => `  ${code}  ${exitCodeMeanings[name as keyof typeof exitCodes]}`,
  );
  return `
Examples:
  sally login                                          try an API key and store it
  sally gateways create berlin                         make a gateway; says how to run it
  sally resources create intranet --address 10.0.0.5 --protocol HTTPS --gateway berlin
  sally device add anna                                make a key and a configuration here
  sally policies create staff --allow --device anna --resource intranet
  sally users invite anna@example.com --group Engineering
  sally access explain anna 10.0.0.5:443               why it is allowed, or not
  sally status

A name may stand wherever an id may, as long as only one object has it.

Exit codes:
${codes.join('\n')}`;
}

/** Tells people (or, with --json, programs) why it failed. */
function report(error: unknown, io: Io, json: boolean): number {
  if (error instanceof Finished) return error.exitCode;
  const failure = error instanceof Failure ? error : internal(error, io);
  if (json) {
    io.stderr.write(
      failure.problemText === undefined ? jsonLine(ownProblem(failure)) : `${safeJson(failure.problemText)}\n`,
    );
  } else {
    io.stderr.write(
      cleanLines(`sally: ${failure.message}\n${failure.hint === undefined ? '' : `Hint: ${failure.hint}\n`}`),
    );
  }
  return failure.exitCode;
}

/** A failure of our own in the form of the controller's problems. */
function ownProblem({ exitCode, message, hint }: Failure): object {
  const [name = 'failed'] = Object.entries(exitCodes).find(([, code]) => code === exitCode) ?? [];
  const code = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return { code, title: message, ...(hint === undefined ? {} : { detail: hint }), exitCode };
}

function internal(error: unknown, io: Io): Failure {
  const stack = error instanceof Error && io.env.SALLYPORT_DEBUG ? `\n${error.stack}` : '';
  const said = error instanceof Error ? error.message : String(error);
  return new Failure(exitCodes.failed, `This is a mistake in sally itself: ${said}${stack}`);
}
