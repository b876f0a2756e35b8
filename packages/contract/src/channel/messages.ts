import { z } from 'zod';
import { list, recordOf } from '../bounds.ts';
import { AskName, Named, NamesUsed } from './naming.ts';
import { mostItems, StateItem } from './state.ts';
import { Successions } from './succession.ts';
import { Upgrade, Upgrading, upgradePermission } from './upgrade.ts';

/**
 * The agent channel: one WebSocket per agent. Each frame carries one message of the unions below, as JSON. `hello`,
 * `challenge` and an early `refused` are text frames. Messages after `challenge` are sealed (`seal.ts`) in binary frames.
 *
 * Protocol numbers, newest first:
 *   4  2026-11-30  there are items of kind `name`; gateways have `deniedRanges`, `dnsServers` and `overlay.names`,
 *                  and ask for names (`ask-name`); challenges have `successions`; agents of protocol 3 do not receive these
 *   3  2026-11-29  cells have `after` and `onward`, routes `target`, resources `ping`, and the controller sends `mapping`
 *   2  2026-11-29  `authenticate` carries `wireguardProof`, which the controller requires for a new WireGuard key
 *
 * An agent speaks one number. The controller speaks its own number and the one before, and uses the number in the agent's
 * `hello`. Update controllers before agents. A new number is needed when an old agent would be rejected or misunderstood.
 * An optional field needs no new number. A number that is two behind leaves the list.
 */
export const channelProtocol = 4;

/** Versions of the agent protocol that this controller speaks. */
export const channelProtocols: readonly number[] = [channelProtocol, channelProtocol - 1];

/** Path of the WebSocket of the agent channel. */
export const channelPath = '/agent/channel';

const base64 = (bytes: number) => z.string().regex(new RegExp(`^[A-Za-z0-9+/]{${Math.ceil((bytes * 4) / 3)}}={0,2}$`));
const key32 = base64(32);
const signature = base64(64);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const epochMs = z.int().nonnegative();
const counter = z.int().nonnegative();

/** Revision within a database epoch. Revisions of different epochs have no order. Restoring a backup starts a new epoch. */
export const Revision = z.strictObject({ epoch: z.string().max(64), number: z.int().nonnegative() });
export type Revision = z.infer<typeof Revision>;

/**
 * Statement of the controller about a state: its agent, revision, hash and lease. The controller signs `statementText` of
 * it with its Ed25519 key.
 */
export const Statement = z.strictObject({
  /** Id of the gateway or device that the state belongs to. */
  agent: z.uuid(),
  revision: Revision,
  hash,
  issuedAt: epochMs,
  leaseUntil: epochMs,
});
export type Statement = z.infer<typeof Statement>;

/** Hash, revision and lease of a state, signed by the controller. */
export const SignedStatement = z.strictObject({ statement: Statement, signature });
export type SignedStatement = z.infer<typeof SignedStatement>;

/** Role of an agent: a gateway or a native device. Both sides sign it, so that one role cannot impersonate the other. */
const agentRole = z.enum(['gateway', 'device']);

/** Role of an agent: a gateway or a native device. */
export type AgentRole = z.infer<typeof agentRole>;

// ---- from the agent

/** First message, unencrypted. It holds no secret, because the controller is not authenticated yet. */
export const Hello = z.strictObject({
  type: z.literal('hello'),
  protocol: z.int().positive(),
  role: agentRole,
  /** Id of the gateway or device. */
  agent: z.uuid(),
  nonce: key32,
  /** The agent's X25519 key for this connection only, raw. */
  ephemeral: key32,
  /** The agent's Ed25519 identity key, raw. */
  identityKey: key32,
  agentVersion: z.string().max(64),
});

/** First sealed message: the agent's signature over the transcript. Only enrolment needs the token. */
export const Authenticate = z.strictObject({
  type: z.literal('authenticate'),
  signature,
  token: z.string().max(400).optional(),
  wireguardPublicKey: key32,
  /** Proof that the agent holds the private half (`possession.ts`). */
  wireguardProof: key32,
  host: z.strictObject({
    hostname: z.string().max(255),
    os: z.string().max(200),
    kernel: z.string().max(200),
    wireguard: z.enum(['kernel', 'userspace', 'memory']),
  }),
  /** State that the agent has applied. The controller can continue from it with a delta. */
  state: z.strictObject({ revision: Revision, hash }).optional(),
  /** Whether the host of a gateway lets the controller ask for an upgrade. Left out: it does not. */
  upgrades: upgradePermission.optional(),
});

/** Reports that a state is in force, as read back from the system. */
export const Applied = z.strictObject({
  type: z.literal('applied'),
  revision: Revision,
  hash,
  tookMs: z.number().nonnegative(),
});

/** Reports that applying a state or repairing drift failed. `message` says what to do. */
export const Failed = z.strictObject({
  type: z.literal('failed'),
  revision: Revision.optional(),
  code: z.string().max(64),
  message: z.string().max(2000),
});

/** Asks for a snapshot, because the `from` of a delta does not match the agent's state. */
export const NeedSnapshot = z.strictObject({ type: z.literal('need-snapshot'), reason: z.string().max(500) });

/** Statistics of one WireGuard peer: a device or a gateway, but not a beacon. */
export const PeerStatistics = z.strictObject({
  peer: z.string().max(64),
  rxBytes: counter,
  txBytes: counter,
  lastHandshake: epochMs.nullable(),
  endpoint: z.string().max(80).nullable(),
});

/** Result of one probe of a resource. */
export const ProbeResult = z.strictObject({
  id: z.string().max(64),
  resource: z.string().max(64),
  reachable: z.boolean(),
  detail: z.string().max(300),
  rttMs: z.number().nonnegative().optional(),
});
export type ProbeResult = z.infer<typeof ProbeResult>;

/** Path of packets to a peer: directly, or through the relay of the gateway with this id. */
const pathVia = z.union([z.literal('direct'), z.uuid()]);

/** Path to one gateway, as measured in its tunnel. `rttMs` is null while the gateway does not answer. */
export const PathReport = z.strictObject({
  peer: z.uuid(),
  /** Null: no path is known yet. */
  via: pathVia.nullable(),
  rttMs: z.number().nonnegative().nullable(),
});
export type PathReport = z.infer<typeof PathReport>;

/** What a gateway is asked about names, and what it asks. Counts begin at zero with the agent. */
export const NameFigures = z.strictObject({
  /** Names with a usable real address, and names without one. */
  resolved: counter,
  unresolved: counter,
  /** Queries of devices by result: the code of the answer in lower case, `ignored` or `other`. */
  queries: recordOf(z.string().regex(/^[a-z]{1,16}$/), counter, 16),
  /** Questions to resolvers, and the whole time that they took. */
  asked: z.strictObject({ answered: counter, failed: counter, ms: counter }),
});
export type NameFigures = z.infer<typeof NameFigures>;

/** Sent every heartbeat interval. `peers` and `probes` hold only changes since the last heartbeat of this connection. */
export const Heartbeat = z.strictObject({
  type: z.literal('heartbeat'),
  sentAt: epochMs,
  revision: Revision.nullable(),
  hash: hash.nullable(),
  peers: list(PeerStatistics, 30_000),
  policies: list(z.strictObject({ policy: z.string().max(64), packets: counter, bytes: counter }), 30_000),
  dropped: recordOf(z.string().max(32), counter, 64),
  probes: list(ProbeResult, 30_000),
  /** Paths to all gateways that the agent sends to. */
  paths: list(PathReport, 10_000),
  /** All known round-trip times to relay points; null: no answer. */
  relays: list(z.strictObject({ gateway: z.uuid(), rttMs: z.number().nonnegative().nullable() }), 10_000),
  safeToStop: z.boolean(),
  /** Left out by devices, and by gateways that have no names. */
  names: NameFigures.optional(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** Probe results that have just changed. Routing to the resource must not wait for the next heartbeat. */
export const Noticed = z.strictObject({ type: z.literal('noticed'), probes: list(ProbeResult, 10_000) });

/**
 * Reports that no packet reaches a peer. The controller asks the peer to send (`punch`). With `relay`, it also lets a relay
 * forward between the two. The agent repeats the message while the failure lasts. The controller may limit the rate.
 */
export const FindPath = z.strictObject({ type: z.literal('find-path'), peer: z.uuid(), relay: z.boolean() });
export type FindPath = z.infer<typeof FindPath>;

/** All facts about a device. Devices send them after `welcome` and when they change. */
export const Posture = z.strictObject({
  type: z.literal('posture'),
  facts: recordOf(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
    z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]),
    100,
  )
    // The audit trail stores every change.
    .refine((facts) => JSON.stringify(facts).length <= 8_192, 'must have at most 8192 characters'),
});
export type Posture = z.infer<typeof Posture>;

/** Answer to `probe`. */
export const Probed = z.strictObject({
  type: z.literal('probed'),
  request: z.string().max(64),
  hash: hash.nullable(),
  probes: list(ProbeResult, 30_000),
});

const ofBoth = [Applied, Failed, NeedSnapshot, Heartbeat, FindPath] as const;

/** Messages that an agent of each role may send after `welcome`. */
export const LiveMessage = {
  gateway: z.discriminatedUnion('type', [...ofBoth, Probed, Noticed, AskName, NamesUsed, Upgrading]),
  device: z.discriminatedUnion('type', [...ofBoth, Posture]),
} as const;

/** Every message that an agent sends. */
export const AgentMessage = z.discriminatedUnion('type', [
  Hello,
  Authenticate,
  ...ofBoth,
  Probed,
  Noticed,
  AskName,
  NamesUsed,
  Posture,
  Upgrading,
]);
export type AgentMessage = z.infer<typeof AgentMessage>;

// ---- from the controller

/**
 * First message of the controller. It signs the transcript with the key whose fingerprint is in the token, or with one
 * that `successions` lead to from there.
 */
export const Challenge = z.strictObject({
  type: z.literal('challenge'),
  protocol: z.int(),
  nonce: key32,
  /** The controller's X25519 key for this connection only, raw. */
  ephemeral: key32,
  controllerKey: key32,
  signature,
  successions: Successions.optional(),
});

/** First message after the admission of an agent: the time of the controller and the interval of heartbeats. */
export const Welcome = z.strictObject({
  type: z.literal('welcome'),
  now: epochMs,
  /** Heartbeat interval in milliseconds. The agent limits it to between one second and one minute. */
  heartbeatMs: z.int().positive(),
  name: z.string().max(200),
});

const refusalCodes = [
  'protocol',
  'unknown-agent',
  'deleted',
  'bad-token',
  'already-enrolled',
  'key-taken',
  'expired-token',
  'device-limit',
  'bad-identity',
  'bad-signature',
  'bad-possession',
  'bad-message',
  'taken-over',
  'busy',
] as const;

/**
 * Ends the connection. `final`: retries are pointless until a person acts. `deleted`: the agent also undoes everything. An
 * unencrypted `refused` only ends the connection, because anyone on the network path can forge it.
 */
export const Refused = z.strictObject({
  type: z.literal('refused'),
  code: z.enum(refusalCodes),
  message: z.string().max(500),
  final: z.boolean(),
});
export type Refused = z.infer<typeof Refused>;

/** Complete state. The agent drops every item that is not in it. */
export const Snapshot = z.strictObject({
  type: z.literal('snapshot'),
  items: list(StateItem, mostItems),
  signed: SignedStatement,
});
export type Snapshot = z.infer<typeof Snapshot>;

/** Changes from the state with hash `from` to the state that `signed` names. */
export const Delta = z.strictObject({
  type: z.literal('delta'),
  from: hash,
  upserts: list(StateItem, mostItems),
  removes: list(z.string().max(200), mostItems),
  signed: SignedStatement,
});
export type Delta = z.infer<typeof Delta>;

/** Extends the lease of the current state. Leases have their own schedule: a revision that does not affect the agent sends none. */
export const Lease = z.strictObject({ type: z.literal('lease'), signed: SignedStatement });

/** Asks the agent to run its probes now and to answer with `probed`. */
export const Probe = z.strictObject({ type: z.literal('probe'), request: z.string().max(64) });

/** Asks the agent to send to the addresses of a peer that tries to connect. This opens the NATs of both sides. */
export const Punch = z.strictObject({
  type: z.literal('punch'),
  peer: z.uuid(),
  endpoints: list(z.string().max(80), 8),
});
export type Punch = z.infer<typeof Punch>;

/**
 * NAT mapping of the agent's WireGuard socket, as seen by two ports of the controller's beacon. `undecided`: not seen by both
 * yet. `independent`: both see the same `host:port`. `dependent`: each sees a different one. Sent when it changes.
 */
export const Mapping = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('undecided') }),
  z.strictObject({ kind: z.literal('independent'), endpoint: z.string().max(80) }),
  z.strictObject({ kind: z.literal('dependent') }),
]);
export type Mapping = z.infer<typeof Mapping>;

/** Tells an agent the mapping of its WireGuard socket, as seen from the internet. */
export const TellMapping = z.strictObject({ type: z.literal('mapping'), mapping: Mapping });

/** Every message that the controller sends. */
export const ControllerMessage = z.discriminatedUnion('type', [
  Challenge,
  Welcome,
  Refused,
  Snapshot,
  Delta,
  Lease,
  Probe,
  Punch,
  TellMapping,
  Upgrade,
  Named,
]);
export type ControllerMessage = z.infer<typeof ControllerMessage>;

// ---- signed texts

/** Values of a handshake that both sides sign. */
export interface Transcript {
  readonly protocol: number;
  readonly role: AgentRole;
  readonly agent: string;
  readonly agentNonce: string;
  readonly controllerNonce: string;
  readonly identityKey: string;
  readonly controllerKey: string;
  readonly agentEphemeral: string;
  readonly controllerEphemeral: string;
}

/**
 * Returns the text that both sides sign. The keys of the connection derive from its hash. `use` separates the signatures of
 * the two sides, so that one cannot be replayed as the other.
 */
export function transcriptText(use: 'agent' | 'controller' | 'keys' | 'possession', t: Transcript): string {
  return [
    'sallyport-channel',
    use,
    t.protocol,
    t.role,
    t.agent,
    t.agentNonce,
    t.controllerNonce,
    t.identityKey,
    t.controllerKey,
    t.agentEphemeral,
    t.controllerEphemeral,
  ].join('\n');
}

/** Returns the text that the controller signs for a statement. */
export function statementText(s: Statement): string {
  return ['sallyport-state', s.agent, s.revision.epoch, s.revision.number, s.hash, s.issuedAt, s.leaseUntil].join('\n');
}
