import { createSocket } from 'node:dgram';

/**
 * A scripted DHCP server (RFC 2131) for tests: `node dhcp-server.ts OFFER`, OFFER as JSON. Prints a line for each
 * answered message. Runs alone in a network namespace.
 */
export interface Offer {
  readonly server: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly leaseSeconds: number;
  /** Option 121 (RFC 3442). */
  readonly routes: readonly { readonly to: string; readonly via: string }[];
}

const cookie = 0x63825363;
const [discover, offer, request, acknowledge] = [1, 2, 3, 5];

function main(wish: Offer): void {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const type = message.length > 240 ? optionOf(message, 53)?.[0] : undefined;
    if (type !== discover && type !== request) return;
    const renewal = message.readUInt32BE(12) !== 0;
    const answer = answerTo(message, type === discover ? offer : acknowledge, wish);
    socket.send(answer, 68, renewal ? from.address : '255.255.255.255', () => {
      process.stdout.write(`${type === discover ? 'offered' : renewal ? 'renewed' : 'leased'} ${wish.address}\n`);
    });
  });
  socket.bind(67, () => {
    socket.setBroadcast(true);
    process.stdout.write('listening\n');
  });
}

function answerTo(message: Buffer, type: number | undefined, wish: Offer): Buffer {
  const answer = Buffer.alloc(240);
  message.copy(answer, 0, 0, 240);
  answer[0] = 2;
  bytesOf(wish.address).copy(answer, 16);
  bytesOf(wish.server).copy(answer, 20);
  answer.writeUInt32BE(cookie, 236);
  const mask = Buffer.alloc(4);
  mask.writeUInt32BE((0xffffffff << (32 - wish.prefixLength)) >>> 0);
  const lease = Buffer.alloc(4);
  lease.writeUInt32BE(wish.leaseSeconds);
  const options = [
    option(53, Buffer.from([type ?? 0])),
    option(54, bytesOf(wish.server)),
    option(51, lease),
    option(1, mask),
    ...(wish.routes.length === 0 ? [] : [option(121, Buffer.concat(wish.routes.map(routeBytes)))]),
  ];
  return Buffer.concat([answer, ...options, Buffer.from([255])]);
}

/** Only the bytes of the destination that its length needs. */
function routeBytes({ to, via }: Offer['routes'][number]): Buffer {
  const [address = '', length = '32'] = to.split('/');
  const significant = bytesOf(address).subarray(0, Math.ceil(Number(length) / 8));
  return Buffer.concat([Buffer.from([Number(length)]), significant, bytesOf(via)]);
}

function option(code: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([code, value.length]), value]);
}

function optionOf(message: Buffer, wanted: number): Buffer | undefined {
  for (let at = 240; at + 1 < message.length && message[at] !== 255; ) {
    const length = message[at] === 0 ? -1 : (message[at + 1] ?? 0);
    if (message[at] === wanted) return message.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}

function bytesOf(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

if (import.meta.main) main(JSON.parse(process.argv[2] ?? '') as Offer);
