import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { open, stat, statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { defaultRoutes, lockHolder, StateDirectory } from '@sallyport/agent-runtime';
import { GatewayAgentStatus } from '@sallyport/contract/local';
import { findForeignDrops } from '@sallyport/hostnet';
import { companionProgram, programFile } from '@sallyport/program/place';
import { openDetected, slowness } from '@sallyport/wireguard';
import { askController } from './ask.ts';
import type { ControllerAnswer, Probe, WireGuardFound } from './types.ts';

/** Reads this host. `version` and `environment` are those of this program. Answers of the controller are asked for once. */
export function systemProbe(version: string, environment: Probe['environment']): Probe {
  const asked = new Map<string, Promise<ControllerAnswer>>();
  return {
    isRoot: process.getuid?.() === 0,
    version,
    environment,
    now: Date.now,
    kernel: release,
    output,
    text,
    stats: (path) => stat(path).then(({ mode, uid }) => ({ mode, uid }), absent),
    space: (path) =>
      statfs(path).then(
        ({ bavail, bsize, ffree, files }) => ({ bytes: bavail * bsize, files: files === 0 ? 1 : ffree }),
        absent,
      ),
    backend,
    foreignDrops,
    addresses: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    ask: (url, caFile) => {
      const answer = asked.get(url) ?? askController(url, caFile);
      asked.set(url, answer);
      return answer;
    },
    agent: lockHolder,
    gatewayStatus,
    uplink,
    netcheck,
  };
}

const absent = () => null;

/** Longest output and file that is read. */
const mostBytes = 1 << 20;

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function output(program: string, args: readonly string[]): Promise<string | null> {
  const options = { timeout: 10_000, maxBuffer: mostBytes, env: { PATH: systemPath, LC_ALL: 'C' } };
  return new Promise((resolve) => {
    execFile(program, [...args], options, (error, stdout) => resolve(error === null ? stdout : null));
  });
}

async function text(path: string): Promise<string | null> {
  const file = await open(path, 'r').catch(absent);
  if (file === null) return null;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } catch {
    return null;
  } finally {
    await file.close();
  }
}

async function backend(): Promise<WireGuardFound> {
  const program = companionProgram('wireguard-go');
  const { build } = await openDetected('auto', program === null ? {} : { program });
  return build === null ? { kind: 'kernel', slow: null } : { kind: 'userspace', slow: slowness(build) };
}

const foreignDrops: Probe['foreignDrops'] = async (tunnel) =>
  (await findForeignDrops(tunnel)).map(({ family, table, chain, hook, fix }) => ({
    text: `Chain ${chain} of table ${family} ${table} drops packets of the tunnel at the ${hook} hook.`,
    fix,
  }));

async function gatewayStatus(stateDir: string): Promise<GatewayAgentStatus | null> {
  try {
    const parsed = GatewayAgentStatus.safeParse(
      JSON.parse((await StateDirectory.at(stateDir).read('status.json')) ?? 'null'),
    );
    return parsed.data ?? null;
  } catch {
    return null;
  }
}

async function uplink(): Promise<{ name: string; mtu: number } | null> {
  const [route] = (await defaultRoutes('')).sort((a, b) => a.metric - b.metric);
  if (route === undefined) return null;
  const mtu = Number(await text(`/sys/class/net/${route.interface}/mtu`));
  return { name: route.interface, mtu: Number.isInteger(mtu) && mtu > 0 ? mtu : 1500 };
}

async function netcheck(): Promise<readonly string[] | null> {
  const answer = await output(process.execPath, [programFile('client'), 'netcheck', '--json']);
  try {
    const { advice } = JSON.parse(answer ?? 'null') as { advice?: unknown };
    return Array.isArray(advice) ? advice.map(String) : null;
  } catch {
    return null;
  }
}
