import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

/**
 * Returns the largest packet that this machine sends to an address unfragmented, as the kernel knows it now: the MTU
 * of the interface, or less after a router on the path reported so. Null when it cannot be found out.
 */
export async function pathMtu(address: string): Promise<number | null> {
  try {
    const { stdout } = await run('ip', ['-json', 'route', 'get', address], { timeout: 2000 });
    const [route] = Routes.parse(JSON.parse(stdout));
    if (route === undefined) return null;
    const learned = (route.metrics ?? []).flatMap(({ mtu }) => mtu ?? []);
    return Math.min(...learned, Number(await readFile(`/sys/class/net/${route.dev}/mtu`, 'utf8')));
  } catch {
    return null;
  }
}

const Routes = z.array(
  z.object({
    dev: z.string().regex(/^[^/\s]{1,15}$/),
    metrics: z.array(z.object({ mtu: z.number().optional() })).optional(),
  }),
);
