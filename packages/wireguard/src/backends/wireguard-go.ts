import { existsSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { type BuildOptions, chooseProgram } from './builds.ts';
import { runCommand, tryCommand } from './command.ts';

/**
 * Supervisor of wireguard-go. `detached`: a daemon in its own session. `systemd`: a transient unit, which leaves the control
 * group of an agent that runs as a unit. `auto`: systemd if it runs and the agent may control it.
 */
export type Supervisor = 'auto' | 'systemd' | 'detached';

/** Starts wireguard-go on a link. It outlives the agent and has no key in its arguments or environment. */
export async function startWireGuardGo(name: string, supervisor: Supervisor, options: BuildOptions): Promise<void> {
  const { named: _, ...command } = options;
  const program = await chooseProgram(options);
  if (usesSystemd(supervisor)) {
    await tryCommand('systemctl', ['stop', unitName(name)], command);
    await runCommand('systemd-run', systemdArguments(name, await foreignNamespace(), program), command);
  } else {
    // Without -f it opens TUN and socket, prints failures, and only then starts its daemon.
    await runCommand(program, [name], command);
  }
}

/** Returns advice for a wireguard-go that started and does not answer. */
export function startHint(name: string, supervisor: Supervisor): string {
  return usesSystemd(supervisor) ? `see journalctl -u ${unitName(name)}` : `try it by hand: wireguard-go -f ${name}`;
}

/** Returns the arguments of `systemd-run`. `namespace`: path of a network namespace other than that of systemd. */
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

/** Returns our network namespace if it differs from that of systemd, in which units start. */
async function foreignNamespace(): Promise<string | null> {
  const own = `/proc/${process.pid}/ns/net`;
  const [ours, first] = await Promise.all([readlink(own), readlink('/proc/1/ns/net').catch(() => null)]);
  return ours === first ? null : own;
}
