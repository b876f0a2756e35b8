import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressKey, echoPacket, readAnswer, resetPacket, synPacket, udpPacket } from './packets.ts';

const v4 = { address: '100.127.255.255', port: 40_000 };
const v6 = { address: 'fd00:5a11::ffff', port: 40_000 };

test('a SYN has the length and checksums that IPv4 and TCP require', () => {
  const packet = synPacket(v4, { address: '10.20.0.10', port: 80 }, 7);
  assert.equal(packet.length, 40);
  assert.equal(packet.readUInt16BE(2), 40);
  assert.equal(sum(packet.subarray(0, 20)), 0xffff);
  assert.equal(sum(pseudo4(packet)), 0xffff);
  assert.equal(packet[33], 0x02);
});

test('an echo request over IPv6 has the checksum that ICMPv6 requires', () => {
  const packet = echoPacket(v6, 'fd20::10');
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(16, 0);
  pseudo.writeUInt8(58, 7);
  assert.equal(sum(Buffer.concat([packet.subarray(8, 40), pseudo, packet.subarray(40)])), 0xffff);
  assert.equal(packet[40], 128);
});

test('a datagram is empty and has the checksum that UDP requires, in either family', () => {
  const packet = udpPacket(v4, { address: '10.20.0.10', port: 53 });
  assert.equal(packet.length, 28);
  const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 17, 0, 8]), packet.subarray(20)]);
  assert.equal(sum(pseudo), 0xffff);
  const six = udpPacket(v6, { address: 'fd20::10', port: 53 });
  const tail = Buffer.from([0, 0, 0, 8, 0, 0, 0, 17]);
  assert.equal(sum(Buffer.concat([six.subarray(8, 40), tail, six.subarray(40)])), 0xffff);
});

test('answers are distinguished from other packets', () => {
  const answer = synPacket({ address: '10.20.0.10', port: 80 }, v4, 99);
  answer.writeUInt32BE(8, 28);
  assert.equal(readAnswer(answer), null, 'a SYN answers nothing');
  answer[33] = 0x12;
  assert.deepEqual(readAnswer(answer), {
    kind: 'tcp-open',
    from: addressKey('10.20.0.10'),
    to: 40_000,
    sequence: 8,
  });
  assert.equal(readAnswer(resetPacket({ address: 'fd20::10', port: 80 }, v6, 1))?.kind, 'tcp-reset');
  const echo = echoPacket({ address: 'fd20::10', port: 5 }, v6.address);
  assert.equal(readAnswer(echo), null, 'a request answers nothing');
  echo[40] = 129;
  assert.deepEqual(readAnswer(echo), { kind: 'echo-reply', from: addressKey('fd20::10'), to: 5, sequence: 0 });
});

test('truncated and non-IP packets are no answers', () => {
  const whole = resetPacket({ address: '10.20.0.10', port: 80 }, v4, 1);
  for (let length = 0; length < whole.length; length++) assert.equal(readAnswer(whole.subarray(0, length)), null);
  const long = Buffer.from(whole);
  long[0] = 0x4f;
  assert.equal(readAnswer(long), null);
  assert.equal(readAnswer(Buffer.alloc(64)), null);
});

function pseudo4(packet: Buffer): Buffer {
  return Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 6, 0, 20]), packet.subarray(20)]);
}

function sum(data: Buffer): number {
  let total = 0;
  for (let i = 0; i < data.length; i += 2) total += data.readUInt16BE(i);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}
