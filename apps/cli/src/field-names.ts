import type { Command, Option } from 'commander';
import { clean } from './text.ts';

/** Options and arguments whose name differs from the API field that they set. */
const CALLED: Readonly<Record<string, readonly string[]>> = {
  wireguardPort: ['port'],
  leaseSeconds: ['lease'],
  drainSeconds: ['drain'],
  auditRetentionDays: ['auditRetention'],
  addresses: ['address', 'addAddress'],
  networkProtocols: ['tcp', 'udp'],
  loadBalancingMode: ['mode'],
  expiresAt: ['expires'],
  entryGateway: ['entryGateway'],
  user: ['owner', 'user'],
  destination: ['destination'],
  device: ['from'],
  email: ['emails'],
};

/**
 * Returns the typed option or argument for the field of a problem: `--port 65536`, `<name> ""`. Returns the field
 * itself when the command has no such option or argument.
 */
export function typedName(pointer: string, command: Command | undefined): string {
  const parts = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const path = parts[0] === 'query' || parts[0] === 'path' ? parts.slice(1) : parts.filter((part) => part !== '');
  const [field = '', index] = path;
  const names = [field, ...(CALLED[field] ?? []), field.replace(/s$/, ''), field.replace(/ies$/, 'y')];
  for (const name of names) {
    const found = command === undefined ? undefined : (optionText(command, name, index) ?? argumentText(command, name));
    if (found !== undefined) return clean(found);
  }
  if (parts[0] === 'path' && command?.args[0] !== undefined) return clean(command.args[0]);
  return path.length === 0 ? 'the request' : clean(path.join('.'));
}

function optionText(command: Command, name: string, index: string | undefined): string | undefined {
  const option = command.options.find((one: Option) => one.attributeName() === name);
  if (option === undefined) return undefined;
  const flag = option.long ?? option.flags;
  const value: unknown = command.opts()[name];
  const typed = Array.isArray(value) ? value[Number(index)] : value;
  return typeof typed === 'string' ? `${flag}${shown(typed)}` : flag;
}

function argumentText(command: Command, name: string): string | undefined {
  const index = command.registeredArguments.findIndex((argument) => argument.name() === name);
  if (index < 0) return undefined;
  const typed = command.args[index];
  return typed === undefined ? `<${name}>` : `<${name}>${shown(typed)}`;
}

/** Returns the typed text, unless it is too long to repeat. */
function shown(typed: string): string {
  if (typed === '') return ' ""';
  return typed.length > 60 || typed.includes('\n') ? '' : ` ${typed}`;
}
