import { z } from 'zod';
import { list, recordOf } from '../bounds.ts';
import { mostItems, StateItem } from './state.ts';

/**
 * The agent channel: one WebSocket per agent, each frame one message of the unions below, as JSON. `hello`, `challenge` and
 * a `refused` before them are text frames; everything after `challenge` is sealed (`seal.ts`) and goes in binary frames.
 *
 * Protocol numbers, newest first:
 *   3  2026-11-29  cells have `after` and `onward`, routes `target`, resources `ping`, and the controller tells `mapping`;
 *                  an agent of protocol 2 gets none of these
 *   2  2026-11-29  `authenticate` carries `wireguardProof`; a WireGuard key that the controller does not know yet needs it
 *
 * An agent speaks one number. The controller speaks its own and the one before, and answers in the number of the agent's
 * `hello`, so controllers are updated first. A new number is taken when an old agent would be refused or misunderstood;
 * a field that is optional and may be left out needs none. A number that is two behind is taken off the list.
 */
export const channelProtocol = 3;

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

/** Revisions are ordered within a database epoch only. An operator begins another one after restoring a backup. */
export const Revision = z.strictObject({ epoch: z.string().max(64), number: z.int().nonnegative() });
export type Revision = z.infer<typeof Revision>;

/**
 * What the controller signs about a state: whose it is, which revision and hash, and until when it holds. Signed as
 * `statementText`, with the controller's Ed25519 key.
 */
export const Statement = z.strictObject({
  /** Id of the gateway or device whose state it is. */
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

/** What an agent is: a gateway, or a native device. Part of what both sides sign, so that neither passes for the other. */
const agentRole = z.enum(['gateway', 'device']);

/** Role of an agent: a gateway or a native device. */
export type AgentRole = z.infer<typeof agentRole>;

// ---- from the agent

/** First message, in the clear: nothing secret, the controller has not proven itself yet. */
export const Hello = z.strictObject({
  type: z.literal('hello'),
  protocol: z.int().positive(),
  role: agentRole,
  /** Id of the gateway, or of the device. */
  agent: z.uuid(),
  nonce: key32,
  /** The agent's X25519 key for this connection alone, raw. */
  ephemeral: key32,
  /** The agent's Ed25519 identity key, raw. */
  identityKey: key32,
  agentVersion: z.string().max(64),
});

/** Proof of identity over the transcript; the token only at enrolment. The first sealed message. */
export const Authenticate = z.strictObject({
  type: z.literal('authenticate'),
  signature,
  token: z.string().max(400).optional(),
  wireguardPublicKey: key32,
  /** Shows that the agent holds the private half (`possession.ts`). */
  wireguardProof: key32,
  host: z.strictObject({
    hostname: z.string().max(255),
    os: z.string().max(200),
    kernel: z.string().max(200),
    wireguard: z.enum(['kernel', 'userspace', 'memory']),
  }),
  /** What the agent has applied, so that the controller can go on with a delta. */
  state: z.strictObject({ revision: Revision, hash }).optional(),
});

/** State is in force, as read back from the system. */
export const Applied = z.strictObject({
  type: z.literal('applied'),
  revision: Revision,
  hash,
  tookMs: z.number().nonnegative(),
});

/** Applying failed, or drift could not be mended. `message` says what to do. */
export const Failed = z.strictObject({
  type: z.literal('failed'),
  revision: Revision.optional(),
  code: z.string().max(64),
  message: z.string().max(2000),
});

/** The agent's state does not lead to the delta's `from`: it needs everything. */
export const NeedSnapshot = z.strictObject({ type: z.literal('need-snapshot'), reason: z.string().max(500) });

/** Of one WireGuard peer: a device, or a gateway. Beacons are not among them. */
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

/** How packets to a peer find their way: to the peer itself, or through the relay of this gateway. */
const pathVia = z.union([z.literal('direct'), z.uuid()]);

/** The way to one gateway, as its own tunnel shows it; `rttMs` is null while nothing answers. */
export const PathReport = z.strictObject({
  peer: z.uuid(),
  /** Null: none was found yet. */
  via: pathVia.nullable(),
  rttMs: z.number().nonnegative().nullable(),
});
export type PathReport = z.infer<typeof PathReport>;

/** Every heartbeat interval. `peers` and `probes` carry only what changed since the last heartbeat of this connection. */
export const Heartbeat = z.strictObject({
  type: z.literal('heartbeat'),
  sentAt: epochMs,
  revision: Revision.nullable(),
  hash: hash.nullable(),
  peers: list(PeerStatistics, 30_000),
  policies: list(z.strictObject({ policy: z.string().max(64), packets: counter, bytes: counter }), 30_000),
  dropped: recordOf(z.string().max(32), counter, 64),
  probes: list(ProbeResult, 30_000),
  /** All gateways that the agent sends to. */
  paths: list(PathReport, 10_000),
  /** Round-trip times to relay points, all that are known; null: no answer. */
  relays: list(z.strictObject({ gateway: z.uuid(), rttMs: z.number().nonnegative().nullable() }), 10_000),
  safeToStop: z.boolean(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** Outcomes of probes that have just changed: whoever leads traffic to the resource must not wait for a heartbeat. */
export const Noticed = z.strictObject({ type: z.literal('noticed'), probes: list(ProbeResult, 10_000) });

/**
 * No packet gets through to this peer. The controller asks the peer to send (`punch`) and, with `relay`, has a relay
 * forward between the two. Repeated while it lasts; the controller may ignore what comes too often.
 */
export const FindPath = z.strictObject({ type: z.literal('find-path'), peer: z.uuid(), relay: z.boolean() });
export type FindPath = z.infer<typeof FindPath>;

/** Facts about the device, whole; sent after `welcome` and when they change. From devices only. */
export const Posture = z.strictObject({
  type: z.literal('posture'),
  facts: recordOf(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
    z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]),
    100,
  )
    // Every change stands in the audit trail.
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

/** What an agent of each role may say once it was welcomed. */
export const LiveMessage = {
  gateway: z.discriminatedUnion('type', [...ofBoth, Probed, Noticed]),
  device: z.discriminatedUnion('type', [...ofBoth, Posture]),
} as const;

/** Every message that an agent sends. */
export const AgentMessage = z.discriminatedUnion('type', [Hello, Authenticate, ...ofBoth, Probed, Noticed, Posture]);
export type AgentMessage = z.infer<typeof AgentMessage>;

// ---- from the controller

/** The controller proves itself first: it signs the transcript with the key whose fingerprint the token carries. */
export const Challenge = z.strictObject({
  type: z.literal('challenge'),
  protocol: z.int(),
  nonce: key32,
  /** The controller's X25519 key for this connection alone, raw. */
  ephemeral: key32,
  controllerKey: key32,
  signature,
});

/** First message after the admission of an agent: the time of the controller and the interval of heartbeats. */
export const Welcome = z.strictObject({
  type: z.literal('welcome'),
  now: epochMs,
  /** The agent takes no less than a second and no more than a minute. */
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
 * The connection ends. `final`: trying again is pointless until a person acts; `deleted` also means: undo everything. In the
 * clear it means no more than that the connection ends, for anybody on the way could have said it.
 */
export const Refused = z.strictObject({
  type: z.literal('refused'),
  code: z.enum(refusalCodes),
  message: z.string().max(500),
  final: z.boolean(),
});
export type Refused = z.infer<typeof Refused>;

/** Everything. The agent drops whatever is not in it. */
export const Snapshot = z.strictObject({
  type: z.literal('snapshot'),
  items: list(StateItem, mostItems),
  signed: SignedStatement,
});
export type Snapshot = z.infer<typeof Snapshot>;

/** From the state with hash `from` to the one that `signed` speaks of. */
export const Delta = z.strictObject({
  type: z.literal('delta'),
  from: hash,
  upserts: list(StateItem, mostItems),
  removes: list(z.string().max(200), mostItems),
  signed: SignedStatement,
});
export type Delta = z.infer<typeof Delta>;

/** Same state, later lease (and revision, when a revision did not touch this gateway). */
export const Lease = z.strictObject({ type: z.literal('lease'), signed: SignedStatement });

/** Check these probes (all when empty) now and answer with `probed`. */
export const Probe = z.strictObject({ type: z.literal('probe'), request: z.string().max(64) });

/** This peer tries to reach the agent, from one of these addresses: send to them, so that both sides' NATs let it in. */
export const Punch = z.strictObject({
  type: z.literal('punch'),
  peer: z.uuid(),
  endpoints: list(z.string().max(80), 8),
});
export type Punch = z.infer<typeof Punch>;

/**
 * What two ports of the controller's beacon see of the NAT in front of the agent's WireGuard socket. `undecided`: not seen at
 * both yet. `independent`: the same `host:port` at both. `dependent`: another one at each. Sent when it changes.
 */
export const Mapping = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('undecided') }),
  z.strictObject({ kind: z.literal('independent'), endpoint: z.string().max(80) }),
  z.strictObject({ kind: z.literal('dependent') }),
]);
export type Mapping = z.infer<typeof Mapping>;

/** Tells an agent how its WireGuard socket looks from the internet. */
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
]);
export type ControllerMessage = z.infer<typeof ControllerMessage>;

// ---- what is signed

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
 * Text that both sides sign, and from whose hash the keys of the connection come; `use` keeps one side's signature from
 * being replayed as the other's.
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

/** Returns the text of a statement that is signed. */
export function statementText(s: Statement): string {
  return ['sallyport-state', s.agent, s.revision.epoch, s.revision.number, s.hash, s.issuedAt, s.leaseUntil].join('\n');
}
