export {
  canonicalCidr,
  canonicalEndpoint,
  canonicalInterfaceAddress,
  checkLinkName,
  parsePort,
} from './address.ts';
export { slowness, type WireGuardGoBuild } from './backends/builds.ts';
export {
  type BackendChoice,
  type DetectOptions,
  detectBackend,
  openBackend,
  openDetected,
} from './backends/detect.ts';
export { type KernelOptions, kernelBackend } from './backends/kernel.ts';
export { type MemoryBackendOptions, memoryBackend } from './backends/memory.ts';
export {
  type HandshakeProbeFailure,
  type HandshakeProbeOptions,
  type HandshakeProbeResult,
  probeHandshake,
} from './backends/probe.ts';
export { TunnelPeer, type TunnelPeerOptions } from './backends/tunnel-peer.ts';
export { type UserspaceOptions, userspaceBackend } from './backends/userspace.ts';
export type { Supervisor } from './backends/wireguard-go.ts';
export {
  checkHostEndpoint,
  configurationText,
  type PlainConfiguration,
  type PlainPeer,
  type PrivateKeyText,
} from './configuration.ts';
export { parseConfiguration } from './configuration-parse.ts';
export { diffDevice, isEmptyChange } from './diff.ts';
export { WireGuardError, type WireGuardErrorCode } from './errors.ts';
export { KEY_BYTES, parseKey, presharedKeyFrom, presharedKeyHash, privateKeyFrom, publicKeyOf } from './keys.ts';
export {
  type Authenticated,
  addresseeTest,
  type Header,
  headerOf,
  type Ignored,
  type IgnoredReason,
  Initiator,
  type KnownPeer,
  type OpenedInitiation,
  type PendingInitiation,
  type Reply,
  Responder,
  type ResponderOptions,
  type Session,
  tai64n,
} from './noise/index.ts';
export type {
  BackendKind,
  DeviceChange,
  DeviceConfig,
  DeviceStatus,
  PeerChange,
  PeerConfig,
  PeerStatus,
  WireGuardBackend,
} from './types.ts';
