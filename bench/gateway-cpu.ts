import { readdir, readFile } from 'node:fs/promises';
import type { Namespace } from '@sallyport/testkit';

/**
 * CPU time that a gateway spends on packets: its `wireguard-go`, and the kernel's receive threads of its interfaces. By
 * default the kernel receives from a veth in the process that sends, so the sender would pay for the gateway's work.
 * GRO and threaded receive charge the gateway, as with a real network card.
 */
export class GatewayCpu {
  readonly #processes: readonly string[];

  private constructor(processes: readonly string[]) {
    this.#processes = processes;
  }

  /**
   * `interfaces` are the gateway's interfaces that receive packets, besides the tunnel; their names identify the
   * threads.
   */
  static async of(gateway: Namespace, tunnel: string, interfaces: readonly string[]): Promise<GatewayCpu> {
    const processes: string[] = [];
    for (const pid of await pids()) {
      const [name, command] = await Promise.all([read(`/proc/${pid}/comm`), read(`/proc/${pid}/cmdline`)]);
      const thread = interfaces.some((each) => name.startsWith(`napi/${each}-`));
      if (thread || command.endsWith(`wireguard-go\0${tunnel}\0`)) processes.push(pid);
    }
    if (processes.length !== interfaces.length + 1)
      throw new Error(`${processes.length} processes work for ${gateway.name}, not ${interfaces.length + 1}`);
    return new GatewayCpu(processes);
  }

  /** Returns nanoseconds of CPU time so far. */
  async spent(): Promise<number> {
    let sum = 0;
    for (const pid of this.#processes)
      for (const thread of await readdir(`/proc/${pid}/task`))
        sum += Number((await read(`/proc/${pid}/task/${thread}/schedstat`)).split(' ')[0]);
    return sum;
  }
}

/** Makes an interface receive in its own thread. */
export async function receiveInThread(at: Namespace, name: string): Promise<void> {
  await at.exec('perl', '-e', GRO, name);
  await at.exec('sh', '-c', `echo 1 > /sys/class/net/${name}/threaded`);
}

/** Uses SIOCETHTOOL with ETHTOOL_SGRO, because `ethtool` may be missing. */
const GRO = `socket(my $s, 2, 2, 0) or die "socket: $!";
  my $value = pack("LL", 0x2c, 1); my $request = pack("a16 P8", $ARGV[0], $value);
  ioctl($s, 0x8946, $request) or die "ioctl: $!";`;

async function pids(): Promise<string[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
}

/** Empty when the process has ended. */
async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}
