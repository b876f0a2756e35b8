/**
 * Asks a resolver once: ADDRESS NAME TYPE udp|tcp. Prints the sorted addresses, NODATA, the code of the answer, SILENT,
 * or CLOSED when the resolver ended the connection.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decode, encode, RECURSION_DESIRED, streamEncode } from 'dns-packet';

const [server = '', name = '', type = 'A', over = 'udp'] = process.argv.slice(2);
const questions = [{ name, type: type === 'HTTPS' ? 'UNKNOWN_65' : type }];
const query = { type: 'query', id: 4711, flags: RECURSION_DESIRED, questions } as Parameters<typeof encode>[0];

function tell(data: Buffer): void {
  const packet = decode(data) as ReturnType<typeof decode> & { rcode: string };
  const addresses = (packet.answers ?? []).map((record) => ('data' in record ? String(record.data) : ''));
  const words =
    packet.rcode === 'NOERROR' ? [...addresses.sort(), ...(addresses.length === 0 ? ['NODATA'] : [])] : [packet.rcode];
  process.stdout.write(`${words.join(' ')}\n`);
  process.exit(0);
}

setTimeout(() => {
  process.stdout.write('SILENT\n');
  process.exit(0);
}, 6_000);
if (over === 'tcp') {
  const socket = connect({ host: server, port: 53 }, () => socket.write(streamEncode(query)));
  socket.on('data', (data) => tell(data.subarray(2)));
  let isOpen = false;
  socket.on('connect', () => {
    isOpen = true;
  });
  const ended = (why: string) => {
    process.stdout.write(`${isOpen ? 'CLOSED' : why}\n`);
    process.exit(0);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => ended(error.code ?? error.message));
  socket.on('close', () => ended('closed at once'));
} else {
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', tell);
  socket.send(encode(query), 53, server);
}
