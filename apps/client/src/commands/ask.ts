import type { Netcheck, PingReply } from '@sallyport/contract/local';
import { CommandError, UsageError } from '../failure.ts';
import { LocalConnection } from '../local/client.ts';
import { netcheckText, pingText } from './tell.ts';

/** Output streams of a command. */
export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

interface PingCommand {
  readonly stateDir: string;
  readonly target: string;
  readonly count: number;
  readonly timeoutMs: number;
  readonly json: boolean;
}

/** Pings a target repeatedly, one second apart. Returns 0 when the last ping was answered. */
export async function pingTarget(command: PingCommand, { out }: Output): Promise<number> {
  const { target, count, timeoutMs, json } = command;
  const daemon = await openDaemon(command.stateDir);
  let last: PingReply | null = null;
  for (let n = 0; n < count; n++) {
    if (n > 0) await new Promise((resolve) => setTimeout(resolve, 1_000));
    const reply = await daemon.ask({ op: 'ping', target, timeoutMs });
    if (reply?.type === 'failed') throw new CommandError(reply.message);
    if (reply?.type !== 'ping') throw new CommandError('the daemon has ended in the meantime');
    out(json ? `${JSON.stringify(reply)}\n` : pingText(reply));
    last = reply;
  }
  daemon.close();
  const answered = last?.rttMs != null || (last?.gatewayRttMs != null && last.detail.startsWith('the gateway'));
  return answered ? 0 : 1;
}

interface DnsCommand {
  readonly stateDir: string;
  readonly name: string;
  readonly json: boolean;
}

/** Explains how a host name resolves on this device. Returns 0 when it finds no problem. */
export async function explainDns({ stateDir, name, json }: DnsCommand, { out }: Output): Promise<number> {
  const daemon = await openDaemon(stateDir);
  const reply = await daemon.ask({ op: 'dns', name });
  daemon.close();
  if (reply?.type !== 'dns')
    throw new CommandError(reply?.type === 'failed' ? reply.message : 'the daemon has ended in the meantime');
  const { dnsText } = await import('../dns/tell.ts');
  out(json ? `${JSON.stringify(reply)}\n` : dnsText(reply));
  return reply.advice.length === 0 ? 0 : 1;
}

interface NetcheckCommand {
  readonly stateDir: string;
  readonly controller: string | null;
  readonly caFile: string | null;
  readonly json: boolean;
}

/** Checks the network. Returns 0 when it finds no problem. Without a daemon it checks directly and knows no relays. */
export async function checkNetwork(command: NetcheckCommand, { out }: Output): Promise<number> {
  const daemon = await reachDaemon(command.stateDir);
  const reply = daemon === null ? await checkAlone(command) : await daemon.ask({ op: 'netcheck' });
  daemon?.close();
  if (reply?.type !== 'netcheck')
    throw new CommandError(reply?.type === 'failed' ? reply.message : 'the daemon has ended in the meantime');
  out(command.json ? `${JSON.stringify(reply)}\n` : netcheckText(reply));
  return reply.advice.length === 0 ? 0 : 1;
}

async function checkAlone({ stateDir, controller, caFile }: NetcheckCommand): Promise<Netcheck> {
  const { StateDirectory } = await import('@sallyport/agent-runtime');
  const { readSettings } = await import('../state/settings.ts');
  const { netcheck } = await import('../netcheck/netcheck.ts');
  const known = await readSettings(StateDirectory.at(stateDir)).catch(() => null);
  const url = controller ?? known?.controller;
  if (url === undefined)
    throw new UsageError('netcheck: no daemon runs and no controller is stored: give --controller URL');
  return netcheck({
    controller: url,
    caFile: caFile ?? known?.caFile ?? null,
    connected: false,
    sighting: null,
    items: new Map(),
    handshakes: async () => new Map(),
    interface: known?.interface ?? '',
    wireguard: null,
  });
}

async function openDaemon(stateDir: string): Promise<LocalConnection> {
  const daemon = await reachDaemon(stateDir);
  if (daemon === null) throw new CommandError('this device is not connected: run sally up');
  return daemon;
}

/** Returns a connection to the daemon; null when no daemon runs. */
export async function reachDaemon(stateDir: string): Promise<LocalConnection | null> {
  return LocalConnection.open(stateDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES' || error.code === 'EPERM')
      throw new CommandError('the daemon belongs to another user: run the command as root (sudo sally …)');
    throw error;
  });
}
