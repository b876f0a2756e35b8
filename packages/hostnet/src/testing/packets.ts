import { parseAddress } from '../ip.ts';
import type { Namespace } from './namespaces.ts';

/** A UDP packet that an ICMP error quotes. */
export interface Quoted {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

/** Kinds of ICMP errors that tests send, by type and code: RFC 792, RFC 4443. */
export const ERRORS = {
  v4: { unreachable: [3, 3], tooBig: [3, 4], timeExceeded: [11, 0] },
  v6: { unreachable: [1, 4], tooBig: [2, 0], timeExceeded: [3, 0] },
} as const;

/** Sends an ICMP error about a packet to the packet's sender, as a router on its path would. */
export async function sendError(
  at: Namespace,
  kind: keyof typeof ERRORS.v4,
  quoted: Quoted,
  claimedMtu = 1280,
): Promise<void> {
  const v4 = parseAddress(quoted.to).family === 4;
  const [type, code] = ERRORS[v4 ? 'v4' : 'v6'][kind];
  const message = Buffer.alloc(8);
  message.writeUInt8(type, 0);
  message.writeUInt8(code, 1);
  if (kind === 'tooBig') message.writeUInt32BE(claimedMtu, 4);
  const whole = Buffer.concat([message, v4 ? quoteV4(quoted) : quoteV6(quoted)]);
  // For ICMPv6 the kernel computes the checksum.
  if (v4) whole.writeUInt16BE(checksum(whole), 2);
  await at.exec('perl', '-MSocket=:all', '-e', SEND_RAW, quoted.from, whole.toString('hex'));
}

/** Exchanges a datagram with an echo service from a given source port. */
export async function exchange(at: Namespace, { from, fromPort, to, toPort }: Quoted): Promise<void> {
  await at.exec('perl', '-MSocket=:all', '-e', EXCHANGE, from, String(fromPort), to, String(toPort));
}

/** Begins a TCP connection from a given source port, and gives up after two seconds. */
export async function connectFrom(at: Namespace, { from, fromPort, to, toPort }: Quoted): Promise<void> {
  await at.exec('perl', '-MSocket=:all', '-e', CONNECT, from, String(fromPort), to, String(toPort));
}

const END =
  'sub end { my ($a, $p) = @_; $a =~ /:/ ? pack_sockaddr_in6($p, inet_pton(AF_INET6, $a)) : pack_sockaddr_in($p, inet_pton(AF_INET, $a)) } ';
const SEND_RAW = `${END} my ($to, $hex) = @ARGV; my $six = $to =~ /:/;
  socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_RAW, $six ? 58 : 1) or die "socket: $!";
  defined send($s, pack("H*", $hex), 0, end($to, 0)) or die "send: $!";`;
const EXCHANGE = `${END} my ($from, $fp, $to, $tp) = @ARGV; alarm 5;
  socket(my $s, $to =~ /:/ ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
  bind($s, end($from, $fp)) or die "bind: $!"; connect($s, end($to, $tp)) or die "connect: $!";
  send($s, "x", 0) or die "send: $!"; defined recv($s, my $answer, 9, 0) or die "recv: $!";`;
const CONNECT = `${END} my ($from, $fp, $to, $tp) = @ARGV; alarm 2;
  socket(my $s, $to =~ /:/ ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die "socket: $!";
  bind($s, end($from, $fp)) or die "bind: $!"; connect($s, end($to, $tp)) or die "connect: $!";`;

function quoteV4(quoted: Quoted): Buffer {
  const header = Buffer.from('4500001d000100004011000000000000000000000000', 'hex').subarray(0, 20);
  bytes(quoted.from, 4).copy(header, 12);
  bytes(quoted.to, 4).copy(header, 16);
  return Buffer.concat([header, udp(quoted)]);
}

function quoteV6(quoted: Quoted): Buffer {
  const header = Buffer.alloc(40);
  header.write('6000000000091140', 'hex');
  bytes(quoted.from, 16).copy(header, 8);
  bytes(quoted.to, 16).copy(header, 24);
  return Buffer.concat([header, udp(quoted)]);
}

function udp({ fromPort, toPort }: Quoted): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt16BE(fromPort, 0);
  header.writeUInt16BE(toPort, 2);
  header.writeUInt16BE(9, 4);
  return header;
}

function bytes(address: string, length: number): Buffer {
  return Buffer.from(
    parseAddress(address)
      .value.toString(16)
      .padStart(length * 2, '0'),
    'hex',
  );
}

/** Returns the Internet checksum (RFC 1071). */
function checksum(data: Buffer): number {
  let sum = 0;
  for (let at = 0; at < data.length; at += 2) sum += ((data[at] ?? 0) << 8) + (data[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
