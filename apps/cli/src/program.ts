import { Command, Help } from 'commander';
import { exitCodeMeanings, exitCodes } from './failure.ts';
import { type AddFamily, addFamilies, type Family } from './families.ts';
import { createSession, type GlobalFlags, type Io, type Session } from './session.ts';
import { DEFAULT_URL } from './settings.ts';
import { cleanLines } from './text.ts';

/** Creates the tree of commands, as far as its families are loaded. */
export function createProgram(io: Io, loaded: ReadonlyMap<Family, AddFamily>): Command {
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
    .configureHelp({ showGlobalOptions: true, subcommandTerm: termOf })
    .option('--url <url>', `address of the controller (SALLYPORT_URL; default: as stored, else ${DEFAULT_URL})`)
    .option('--base-path <path>', 'path of the API below the address (SALLYPORT_API_BASE_PATH), such as /qa')
    .option(
      '--api-key-file <file>',
      'file with the API key (SALLYPORT_API_KEY_FILE, or SALLYPORT_API_KEY); - is standard input',
    )
    .option('--data-dir <dir>', 'data directory of the controller on this host (SALLYPORT_DATA_DIR), for tenants')
    .option('--ca-file <file>', 'certificate authority or controller certificate to trust (SALLYPORT_CA_FILE)')
    .option('--insecure', 'allow sending the API key over http:// to another host (SALLYPORT_INSECURE=on)')
    .option('--json', 'print the controller’s answers unchanged, and failures as JSON on standard error')
    .addHelpText('after', helpEnd());
  addFamilies(program, session, loaded);
  program.helpCommand(false);
  return program;
}

/** Returns a command of the first level as the help lists it, the same whether its family is loaded or not. */
function termOf(this: Help, command: Command): string {
  if (command.parent?.parent !== null) return Help.prototype.subcommandTerm.call(this, command);
  return [command.name(), ...command.aliases()].join('|');
}

function helpEnd(): string {
  const codes = Object.entries(exitCodes).map(
    ([name, code]) => `  ${code}  ${exitCodeMeanings[name as keyof typeof exitCodes]}`,
  );
  return `
Examples:
  sally login                                          check an API key and store it
  sally gateways create berlin                         create a gateway, show how to run it
  sally resources create intranet --address 10.0.0.5 --protocol HTTPS --gateway berlin
  sally device add anna                                create a key and a configuration here
  sally policies create staff --allow --device anna --resource intranet
  sally users invite anna@example.com --group Engineering
  sally access explain anna 10.0.0.5:443               why it is allowed or denied
  sally status

To type sally instead of npx sally, which is also faster: sudo bin/sally install-path

A unique name works wherever an id does.

Exit codes:
${codes.join('\n')}`;
}
