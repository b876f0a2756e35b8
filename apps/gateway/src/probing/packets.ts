import { parseAddress } from '@sallyport/ip';

/** One end of a probe: an address and a TCP port, or the identifier of an ICMP echo. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** The answer that came to `to`. */
export interface Answer {
  readonly kind: 'tcp-open' | 'tcp-reset' | 'echo-reply';
  readonly from: string;
  readonly to: number;
  /** Sequence number of the segment, for TCP. */
  readonly sequence: number;
}

/** Returns an IP packet with a TCP SYN (RFC 9293), without options. */
export function synPacket(from: End, to: End, sequence: number): Buffer {
  return tcpPacket(from, to, { sequence, acknowledgement: 0, flags: SYN });
}

/** Returns an IP packet that resets the connection of a SYN. `sequence` follows the SYN's sequence number. */
export function resetPacket(from: End, to: End, sequence: number): Buffer {
  return tcpPacket(from, to, { sequence, acknowledgement: 0, flags: RST });
}

/** Returns an IP packet with an ICMP or ICMPv6 echo request. */
export function echoPacket(from: End, to: string): Buffer {
  const v6 = to.includes(':');
  const body = Buffer.alloc(16);
  body.writeUInt8(v6 ? 128 : 8, 0);
  body.writeUInt16BE(from.port, 4);
  body.writeUInt16BE(1, 6);
  body.writeUInt16BE(checksum(v6 ? pseudo(from.address, to, ICMP6, body) : body), 2);
  return ipPacket(from.address, to, v6 ? ICMP6 : ICMP, body);
}

/** Returns an IP packet with an empty UDP datagram (RFC 768). */
export function udpPacket(from: End, to: End): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt16BE(from.port, 0);
  body.writeUInt16BE(to.port, 2);
  body.writeUInt16BE(body.length, 4);
  // A sum of zero is sent as all ones, because zero means no checksum.
  body.writeUInt16BE(checksum(pseudo(from.address, to.address, UDP, body)) || 0xffff, 6);
  return ipPacket(from.address, to.address, UDP, body);
}

/** Parses an IP packet that answers a probe; null for any other packet. */
export function readAnswer(packet: Buffer): Answer | null {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) {
    const header = ((packet[0] ?? 0) & 0xf) * 4;
    if (header < 20 || (packet.readUInt16BE(6) & 0x1fff) !== 0) return null;
    return readBody(packet[9] ?? 0, packet.subarray(12, 16), packet.subarray(header));
  }
  // Targets have no reason to add extension headers.
  if (version === 6 && packet.length >= 40) {
    return readBody(packet[6] ?? 0, packet.subarray(8, 24), packet.subarray(40));
  }
  return null;
}

function readBody(protocol: number, source: Buffer, body: Buffer): Answer | null {
  const from = source.toString('hex');
  if (protocol === TCP && body.length >= 20) {
    const flags = (body[13] ?? 0) & (SYN | ACK | RST);
    const kind = (flags & RST) !== 0 ? 'tcp-reset' : flags === (SYN | ACK) ? 'tcp-open' : null;
    if (kind === null) return null;
    return { kind, from, to: body.readUInt16BE(2), sequence: body.readUInt32BE(8) };
  }
  const reply = protocol === ICMP ? 0 : protocol === ICMP6 ? 129 : null;
  if (reply === null || body.length < 8 || body[0] !== reply) return null;
  return { kind: 'echo-reply', from, to: body.readUInt16BE(4), sequence: 0 };
}

/** Returns an address in the form of `Answer.from`. */
export function addressKey(text: string): string {
  return addressBytes(text).toString('hex');
}

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMP6 = 58;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

interface Segment {
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
}

function tcpPacket(from: End, to: End, { sequence, acknowledgement, flags }: Segment): Buffer {
  const body = Buffer.alloc(20);
  body.writeUInt16BE(from.port, 0);
  body.writeUInt16BE(to.port, 2);
  body.writeUInt32BE(sequence >>> 0, 4);
  body.writeUInt32BE(acknowledgement >>> 0, 8);
  body.writeUInt8(5 << 4, 12);
  body.writeUInt8(flags, 13);
  body.writeUInt16BE(64_240, 14);
  body.writeUInt16BE(checksum(pseudo(from.address, to.address, TCP, body)), 16);
  return ipPacket(from.address, to.address, TCP, body);
}

function ipPacket(from: string, to: string, protocol: number, body: Buffer): Buffer {
  if (to.includes(':')) {
    const header = Buffer.alloc(8);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(body.length, 4);
    header.writeUInt8(protocol, 6);
    header.writeUInt8(64, 7);
    return Buffer.concat([header, addressBytes(from), addressBytes(to), body]);
  }
  const header = Buffer.alloc(12);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + body.length, 2);
  // Do not fragment.
  header.writeUInt16BE(0x4000, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  const whole = Buffer.concat([header, addressBytes(from), addressBytes(to)]);
  whole.writeUInt16BE(checksum(whole), 10);
  return Buffer.concat([whole, body]);
}

/** Returns the pseudo-header that checksums cover besides the body (RFC 9293 section 3.1, RFC 8200 section 8.1). */
function pseudo(from: string, to: string, protocol: number, body: Buffer): Buffer {
  const tail = Buffer.alloc(to.includes(':') ? 8 : 4);
  if (to.includes(':')) {
    tail.writeUInt32BE(body.length, 0);
    tail.writeUInt8(protocol, 7);
  } else {
    tail.writeUInt8(protocol, 1);
    tail.writeUInt16BE(body.length, 2);
  }
  return Buffer.concat([addressBytes(from), addressBytes(to), tail, body]);
}

/** Returns the Internet checksum (RFC 1071). */
function checksum(data: Buffer): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += ((data[i] ?? 0) << 8) + (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function addressBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no IP address`);
  const digits = address.value.toString(16).padStart(text.includes(':') ? 32 : 8, '0');
  return Buffer.from(digits, 'hex');
}
