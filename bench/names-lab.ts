import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cleanup, Host, Namespace, uniqueTag } from '@sallyport/testkit';
import { destination, type Lab, tunnelLab } from './forward-lab.ts';
import type { DeviceOrder } from './names-device.ts';

const rigProgram = fileURLToPath(new URL('../apps/gateway/src/testing/names-rig.ts', import.meta.url));
const deviceProgram = fileURLToPath(new URL('./names-device.ts', import.meta.url));
const gatewayAddress = '100.64.0.1';
const overlay = { v4: '100.64.0.0/11', v6: 'fd00:5a11::/48' };

/** A program in a namespace that takes orders and answers each with a number. */
class Program<Order extends object> {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start<Order extends object>(at: Namespace, program: string, cleanup: Cleanup): Program<Order> {
    const child = spawn('ip', ['netns', 'exec', at.name, process.execPath, program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    cleanup.add(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    });
    return new Program<Order>(child);
  }

  ask(order: Order): Promise<number> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error('a program of the benchmark has ended'));
      this.#child.once('exit', ended);
      this.#child.once('message', (answer) => {
        this.#child.off('exit', ended);
        resolve(answer as number);
      });
      this.#child.send(order);
    });
  }
}

/** Orders to the rig: see `RigOrder` there. */
type RigOrder =
  | { readonly op: 'start'; readonly plan: object }
  | { readonly op: 'move' | 'add' | 'cold' | 'answered' | 'usage' | 'stop' };

/** The names of a gateway without a tunnel: queries come from its own host, from addresses of devices. */
export interface LoneNames {
  readonly rig: Program<RigOrder>;
  /** Sends queries. */
  readonly device: Program<DeviceOrder>;
  /** A bare server that echoes datagrams. */
  readonly echo: Program<DeviceOrder>;
  readonly sources: readonly string[];
}

/** Sets up the names of a gateway by themselves. */
export async function loneNames(names: number, cleanup: Cleanup): Promise<LoneNames> {
  const space = await Namespace.create(`sp-${uniqueTag()}-names`, cleanup);
  const sources = Array.from({ length: 250 }, (_, i) => `100.64.1.${i + 1}`);
  for (const address of [gatewayAddress, ...sources]) await space.ip('addr', 'add', `${address}/32`, 'dev', 'lo');
  const rig = await startRig(space, { interface: 'rig0', names, devices: sources, destination }, cleanup);
  const device = Program.start<DeviceOrder>(space, deviceProgram, cleanup);
  const echo = Program.start<DeviceOrder>(space, deviceProgram, cleanup);
  await echo.ask({ op: 'echo' });
  return { rig, device, echo, sources };
}

/** A device, a gateway with names and a host behind it, with a real tunnel. */
export interface TunnelledNames {
  readonly lab: Lab;
  readonly rig: Program<RigOrder>;
  /** Runs beside the device, and has its addresses. */
  readonly device: Program<DeviceOrder>;
  /** A virtual address, and the real one that it stands for. */
  readonly addresses: { readonly virtual: string; readonly real: string };
  /** Address of another device in the same place. */
  readonly other: string;
  /** Port on which the host behind the gateway listens. */
  readonly port: number;
}

/** Sets up a gateway with names behind a tunnel. */
export async function tunnelledNames(names: number, cleanup: Cleanup): Promise<TunnelledNames> {
  const other = '100.64.0.3';
  const { gateway, resource, device, name, ...lab } = await tunnelLab(cleanup, overlay, {
    addresses: [other],
    ways: ['100.96.0.0/11', `${gatewayAddress}/32`],
  });
  const rig = await startRig(gateway, { interface: name, names, devices: [device, other], destination }, cleanup);
  const port = 80;
  await (await Host.start(resource, cleanup)).listenTcp(port);
  return {
    ...{ lab, rig, other, port, addresses: { virtual: '100.96.0.2', real: destination } },
    device: Program.start<DeviceOrder>(lab.sender, deviceProgram, cleanup),
  };
}

async function startRig(at: Namespace, plan: object, cleanup: Cleanup): Promise<Program<RigOrder>> {
  const folder = join('/etc/netns', at.name);
  cleanup.add(() => rm(folder, { recursive: true, force: true }));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  const rig = Program.start<RigOrder>(at, rigProgram, cleanup);
  await rig.ask({ op: 'start', plan });
  cleanup.add(async () => {
    await rig.ask({ op: 'stop' });
  });
  return rig;
}
