export { Agent, type AgentOptions, type Ending } from './agent.ts';
export { followCaFile, readCaFile, type TlsTrust } from './ca-file.ts';
export { AgentClock } from './clock.ts';
export { channelUrl } from './controller-url.ts';
export { identityCrypto } from './crypto.ts';
export { agentOptionsOf, type Enrolment, readEnrolment } from './enrolment.ts';
export { AgentError, type Failure, failureOf, stackOf, UsageError } from './failure.ts';
export { deviceDrift, type PeerDrift } from './host/device-drift.ts';
export { type FollowedHost, HostFollower } from './host/host-follower.ts';
export { emptyDevice, removalOptions, TunnelDevice, type TunnelDeviceOptions } from './host/tunnel-device.ts';
export { createLog, type Log, type LogFields, type LogLevel, logLevels } from './log.ts';
export { Mutex } from './mutex.ts';
export { type Answering, DnsServer } from './names/dns-server.ts';
export { natOf, type Sighting } from './nat.ts';
export { askLiveness } from './paths/liveness.ts';
export {
  type DefaultRoute,
  defaultRoutes,
  NetworkWatch,
  parseRoutes4,
  parseRoutes6,
} from './paths/network-watch.ts';
export { RelayMeter, relayProbeMagic } from './paths/relay-meter.ts';
export { type PathHost, PathRunner } from './paths/runner.ts';
export type { AgentPlane, HeartbeatReading, NamingOutcome, PlaneInput, PlaneResult } from './plane.ts';
export { sessionConfigOf } from './session-config.ts';
export { stateAccess } from './state/access.ts';
export { StateDirectory, type StateFile, StateWriteError } from './state/directory.ts';
export { EndpointMemory } from './state/endpoints.ts';
export { chooseIdentity, type Identity, readIdentity, tokenHash, writeIdentity } from './state/identity.ts';
export { type Lock, lockAgent, lockHolder, processText, runningProcess } from './state/lock.ts';
export { HostRecord, readSavedHost, type SavedHost, undonePhrases } from './state/saved-host.ts';
export { readToken, type TokenSources } from './token.ts';
export { LatestWriter } from './writer.ts';
