import type { NetworkProtocol, Protocol } from '@sallyport/contract';
import { decodeJson } from '../../db/json.ts';
import type { ProtocolRow } from './store.ts';

/** Returns a protocol in the form of answers. */
export const protocolView = ({ id, name, type, network_protocols }: ProtocolRow): Protocol => ({
  id,
  name,
  networkProtocols: decodeJson<NetworkProtocol[]>(network_protocols),
  type,
});
