import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programFile } from '@sallyport/program/place';
import { type Cleanup, Daemon, until } from '@sallyport/testkit';

/** Bootstrap API key of the benchmark's controller. */
export const apiKey = 'bench-bootstrap-key-0123456789abcdef';

/** Creates a temporary folder that the cleanup removes. */
export async function temporaryFolder(cleanup: Cleanup): Promise<string> {
  cleanup.check();
  // Created and registered in one step, so that a stopped program leaves no folder behind.
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  cleanup.add(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Returns a free TCP port of loopback. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** A running controller. */
export interface RunningController {
  readonly port: number;
  readonly daemon: Daemon;
  readonly dataDir: string;
  /** Milliseconds from `node` to the first 200 of /readyz. */
  readonly readyMs: number;
}

/**
 * Starts the real controller on loopback, without a local gateway: the program of this checkout, or another one. Compiled
 * code is kept in `compileCache`. `env` holds further settings.
 */
export async function startController(
  cleanup: Cleanup,
  program = programFile('controller'),
  compileCache?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningController> {
  const [dataDir, port] = [await temporaryFolder(cleanup), await freePort()];
  const from = performance.now();
  const daemon = Daemon.start(
    [program, '--listen', `127.0.0.1:${port}`, '--data-dir', dataDir, '--local-gateway', 'off'],
    {
      cleanup,
      env: {
        SALLYPORT_BOOTSTRAP_API_KEY: apiKey,
        ...unbounded,
        ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }),
        ...env,
      },
    },
  );
  await until(
    'the controller',
    async () => {
      if (!daemon.running) throw new Error(daemon.output);
      return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
    },
    { everyMs: 5 },
  );
  return { port, daemon, dataDir, readyMs: performance.now() - from };
}

/** Returns the resident memory of a process in MB (10^6 bytes). */
export async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6;
}

/** `USER_HZ` is 100 on every Linux that Node.js runs on. */
const msPerTick = 10;

/** Returns the processor time of a process, milliseconds, and that of its children that have ended. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * msPerTick;
}

/** Environment without limits of a tenant, because they are not part of a measurement. */
export const unbounded = { SALLYPORT_TENANT_QUOTAS: 'gateways=10000000', SALLYPORT_TENANT_WRITES_PER_SECOND: '999999' };
