import type { Command } from 'commander';
import { type ExitCode, exitCodes, Failure, Finished } from '../failure.ts';
import type { Session } from '../session.ts';

/**
 * Adds `sally up`, `down`, `ping`, `dns` and `netcheck` to help and completion. They are a separate program, which `bin/sally`
 * starts directly. These entries also catch options of `sally` written before the command.
 */
export function addClient(program: Command, session: Session): void {
  const add = (name: string, description: string, options: readonly string[]): Command => {
    const command = program.command(name).description(description).allowUnknownOption().helpOption(false);
    for (const option of [...options, '--state-dir <dir>', '--help']) command.option(option);
    command.argument('[args...]').action(() => runClient(name, command, session));
    return command;
  };
  add('up', 'connect this host as a device', [
    '--controller <url>',
    '--enrolment-key-file <file>',
    '--enrolment-key-stdin',
    '--interface <name>',
    '--wireguard <kind>',
    '--dns <way>',
    '--ca-file <file>',
    '--insecure',
    '--foreground',
    '--timeout <seconds>',
    '--log-level <level>',
  ]);
  add('down', 'disconnect this host, and undo everything', ['--forget']);
  add('ping', 'ping a resource, a gateway or an address through the tunnel', ['-c, --count <n>', '-W, --timeout <s>']);
  add('dns', 'explain how a host name resolves on this host', []);
  add('netcheck', 'check what the network around this host lets through', ['--controller <url>', '--ca-file <file>']);
}

async function runClient(name: string, command: Command, session: Session): Promise<void> {
  const { runClient: start, argv } = session.io;
  if (start === undefined || argv === undefined) {
    throw new Failure(exitCodes.usage, `sally ${name} is a separate program`, {
      hint: `Start it as bin/sally ${name}.`,
    });
  }
  const rest = argv.slice(argv.indexOf(name) + 1);
  const json = session.json && !rest.includes('--json') ? ['--json'] : [];
  const code = await start([command.name(), ...rest, ...json]);
  if (code !== exitCodes.ok) throw new Finished(code as ExitCode);
}
