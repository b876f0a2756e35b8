import type { Namespace } from './namespaces.ts';

/**
 * Enables or disables checksum offload of an interface. Without it the kernel computes every checksum before it sends.
 */
export async function checksumOffload(at: Namespace, name: string, on: boolean): Promise<void> {
  await at.exec('perl', '-e', ETHTOOL, name, on ? '1' : '0');
}

/** Sends one buffer that the kernel, or the interface, splits into datagrams of `size` bytes (UDP_SEGMENT). */
export async function sendSegments(
  at: Namespace,
  options: { from: string; fromPort: number; to: string; toPort: number; size: number; count: number },
): Promise<void> {
  const { from, fromPort, to, toPort, size, count } = options;
  await at.exec('perl', '-MSocket=:all', '-e', SEGMENTS, from, `${fromPort}`, to, `${toPort}`, `${size}`, `${count}`);
}

/** SIOCETHTOOL with ETHTOOL_STXCSUM. */
const ETHTOOL = `my ($name, $on) = @ARGV; socket(my $s, 2, 2, 0) or die "socket: $!";
  my $value = pack("LL", 0x17, $on); my $request = pack("a16 P8", $name, $value);
  ioctl($s, 0x8946, $request) or die "ioctl: $!";`;
const SEGMENTS = `my ($from, $fp, $to, $tp, $size, $count) = @ARGV;
  sub end { my ($a, $p) = @_; $a =~ /:/ ? pack_sockaddr_in6($p, inet_pton(AF_INET6, $a)) : pack_sockaddr_in($p, inet_pton(AF_INET, $a)) }
  socket(my $s, $to =~ /:/ ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
  bind($s, end($from, $fp)) or die "bind: $!";
  setsockopt($s, 17, 103, pack("i", $size)) or die "UDP_SEGMENT: $!";
  my $data = join "", map { pack("H8 N", "04000000", $_) . ("x" x ($size - 8)) } 1 .. $count;
  defined send($s, $data, 0, end($to, $tp)) or die "send: $!";`;
