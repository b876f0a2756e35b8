import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { RelayPair, RelaySide, RelayTable } from '@sallyport/hostnet';
import { addressOf } from './addresses.ts';
import type { Address } from './pair.ts';
import type { LearnedPair } from './server.ts';

/** Makes the kernel forward between learned addresses. Rejects with the obstacle. */
export async function forwardInKernel(table: RelayTable, pairs: readonly LearnedPair[], now: number): Promise<void> {
  const [obstacle] = pairs.length === 0 ? [] : await table.obstacles();
  if (obstacle !== undefined) {
    await table.remove();
    throw new Error(obstacle);
  }
  await table.apply(await Promise.all(pairs.map(kernelPair)), now);
}

async function kernelPair({ item, learned: [a, b] }: LearnedPair): Promise<RelayPair> {
  const { id, port, bytesPerSecond, expiresAt } = item;
  const [sideA, sideB] = await Promise.all([a, b].map((address) => (address === null ? null : sideOf(address))));
  return { id, port, a: sideA ?? null, b: sideB ?? null, bytesPerSecond, expiresAt };
}

/** Null when there is no route to it at present. */
async function sideOf(address: Address): Promise<RelaySide | null> {
  const host = address.replace(/^\[|\]?:\d+$/g, '');
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const local = await localAddressTowards(host, port);
  return local === null ? null : { address: host, port, local };
}

/** Returns the local address from which the kernel would send; sends nothing. */
function localAddressTowards(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (local: string | null): void => {
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      resolve(local);
    };
    socket.once('error', () => end(null));
    socket.connect(port, host, () => {
      const { address } = socket.address();
      end(addressOf(address, 1)?.replace(/^\[|\]?:1$/g, '') ?? null);
    });
  });
}
