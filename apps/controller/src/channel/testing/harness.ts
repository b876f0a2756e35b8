import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type AgentRole, formatEnrolmentToken, type StateItem } from '@sallyport/contract/channel';
import { connectionBacklog } from '../backlog.ts';
import { type AgentChannel, createChannel } from '../channel.ts';
import type { ChannelDeps } from '../deps.ts';
import { constantIdentity } from '../keys.ts';
import { newSigner, type Signer } from './agent-keys.ts';
import { ManualTime } from './manual-time.ts';
import { MemoryDirectory } from './memory-directory.ts';
import { clientItem, MemoryStates } from './memory-states.ts';

/** One line of the log. */
export interface Line {
  readonly level: 'debug' | 'info' | 'warn';
  readonly facts: object;
  readonly text: string;
}

/** A running channel, with everything that a test controls or looks at. */
export interface Harness {
  readonly channel: AgentChannel;
  readonly port: number;
  readonly time: ManualTime;
  readonly directory: MemoryDirectory;
  readonly states: MemoryStates;
  readonly identity: Signer;
  readonly lines: Line[];
  /** Texts of the warnings so far. */
  readonly warnings: () => string[];
  /** A gateway with a state and a token: its id and the token. */
  readonly gateway: (items?: StateItem[]) => { id: string; token: string };
  /** A device that can enrol, with the state that it will have. */
  readonly device: (items?: StateItem[]) => { id: string; token: string };
}

/** The real channel on a real HTTP server on loopback, over a directory and states in memory and a manual clock. */
export async function startChannel(t: TestContext, change: Partial<ChannelDeps> = {}): Promise<Harness> {
  const time = new ManualTime();
  const directory = new MemoryDirectory();
  const states = new MemoryStates();
  const identity = newSigner();
  const lines: Line[] = [];
  const at = (level: Line['level']) => (facts: object, text: string) => void lines.push({ level, facts, text });
  const channel = createChannel({
    directory,
    states,
    identity: constantIdentity(identity),
    clock: time.clock,
    timers: time,
    randomBytes: (count) => randomBytes(count),
    leaseMs: () => 86_400_000,
    log: { debug: at('debug'), info: at('info'), warn: at('warn') },
    peerAddress: (request) => String(request.headers['x-source'] ?? request.socket.remoteAddress),
    ...change,
  });
  const server = createServer();
  channel.attach(server);
  server.listen({ port: 0, host: '127.0.0.1', backlog: connectionBacklog });
  await once(server, 'listening');
  t.after(async () => {
    await channel.stop();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const warnings = () => lines.filter((line) => line.level === 'warn').map((line) => line.text);
  const fingerprint = createHash('sha256').update(Buffer.from(identity.publicKey, 'base64')).digest().subarray(0, 16);
  const agent = (role: AgentRole, items?: StateItem[]) => {
    const [id, secret] = [randomUUID(), randomBytes(32).toString('base64url')];
    directory.add(id, secret, role);
    states.add(id, items);
    const controllerFingerprint = fingerprint.toString('base64url');
    return { id, token: formatEnrolmentToken({ role, agent: id, secret, controllerFingerprint }) };
  };
  const gateway = (items?: StateItem[]) => agent('gateway', items);
  const device = (items: StateItem[] = [clientItem()]) => agent('device', items);
  return { channel, port, time, directory, states, identity, lines, warnings, gateway, device };
}
