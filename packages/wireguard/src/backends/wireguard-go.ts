import { existsSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { type BuildOptions, chooseProgram } from './builds.ts';
import { runCommand, tryCommand } from './command.ts';

/**
 * Who looks after wireguard-go. `detached`: a daemon in a session of its own. `systemd`: a transient unit, which alone
 * escapes the control group of an agent that itself is a unit. `auto`: systemd where it runs and we may command it.
 */
export type Supervisor = 'auto' | 'systemd' | 'detached';

/** Starts wireguard-go on a link, outliving us. It carries no key in arguments or environment. */
export async function startWireGuardGo(name: string, supervisor: Supervisor, options: BuildOptions): Promise<void> {
  const { named: _, ...command } = options;
  const program = await chooseProgram(options);
  if (usesSystemd(supervisor)) {
    await tryCommand('systemctl', ['stop', unitName(name)], command);
    await runCommand('systemd-run', systemdArguments(name, await foreignNamespace(), program), command);
  } else {
    // Without -f it opens TUN and socket, says on its output what fails, and only then leaves a daemon behind.
    await runCommand(program, [name], command);
  }
}

/** Where to look when it started and then did not answer. */
export function startHint(name: string, supervisor: Supervisor): string {
  return usesSystemd(supervisor) ? `see journalctl -u ${unitName(name)}` : `try it by hand: wireguard-go -f ${name}`;
}

/** Arguments of `systemd-run`. `namespace`: path of a network namespace other than that of systemd itself. */
export function systemdArguments(name: string, namespace: string | null, program = 'wireguard-go'): string[] {
  return [
    '--quiet',
    '--collect',
    `--unit=${unitName(name)}`,
    `--description=WireGuard in user space on ${name}`,
    '--property=Type=exec',
    ...(namespace === null ? [] : [`--property=NetworkNamespacePath=${namespace}`]),
    '--setenv=LOG_LEVEL=error',
    '--',
    program,
    '-f',
    name,
  ];
}

function unitName(name: string): string {
  return `sallyport-wireguard-${name}.service`;
}

function usesSystemd(supervisor: Supervisor): boolean {
  if (supervisor !== 'auto') return supervisor === 'systemd';
  return existsSync('/run/systemd/system') && process.geteuid?.() === 0;
}

/** A unit starts in the namespace of systemd; ours may be another. */
async function foreignNamespace(): Promise<string | null> {
  const own = `/proc/${process.pid}/ns/net`;
  const [ours, first] = await Promise.all([readlink(own), readlink('/proc/1/ns/net').catch(() => null)]);
  return ours === first ? null : own;
}
