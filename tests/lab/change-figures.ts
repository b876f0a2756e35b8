import { fileURLToPath } from 'node:url';
import { Daemon, monotonicMs, patienceMs } from '@sallyport/testkit';
import { makeResource } from './administration.ts';
import type { ClientUnderTest } from './client.ts';
import type { Figure } from './figures.ts';
import { serverOf } from './nat-lab.ts';
import { PathsScenario } from './paths-scenario.ts';

const port = 7000;
const pulseProgram = fileURLToPath(new URL('./pulse-main.ts', import.meta.url));

/** A native device with a series of datagrams to a resource, and what it measured. */
interface Subject {
  readonly name: string;
  readonly client: ClientUnderTest;
  readonly pulse: Daemon;
  readonly grants: number[];
  readonly revocations: number[];
}

/**
 * Measures changes for a native device whose tunnel is up. A grant lasts from the start of the request to the API to
 * the first echo of the granted resource. A revocation lasts from the start of the request to the last echo.
 * `SALLYPORT_LAB_BASELINE` names another tree; its client then takes turns with the one of this tree.
 */
export async function changes(rounds: number, tell: (line: string) => void): Promise<Figure[]> {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', other: 'home', gate: 'internet' },
    lans: { office: ['gate'] },
    gateways: { gate: { endpoint: true } },
  });
  try {
    await s.open('office', ['gate']);
    const address = s.lab.address(serverOf('office')).replace(/\d+$/, '99');
    await s.lab.space(serverOf('office')).ip('address', 'add', `${address}/32`, 'dev', 'lo');
    await (await s.server('office')).listenUdp(port, address);
    const wish = { name: 'annex', addresses: [address], ports: [`UDP ${port}`], gateways: [s.gateway('gate').id] };
    const resource = await makeResource(s.controller, wish);
    const { SALLYPORT_LAB_BASELINE: baseline } = process.env;
    const subjects = [await subject(s, 'laptop', address)];
    if (baseline) subjects.push(await subject(s, 'other', address, baseline));
    for (let round = 0; round < rounds; round++)
      for (const one of round % 2 === 0 ? subjects : [...subjects].reverse()) {
        await measure(s, one, resource);
        const [grant, revocation] = [one.grants, one.revocations].map((values) => values.at(-1)?.toFixed(1));
        tell(`${one.name}, round ${round + 1}: grant ${grant} ms, revocation ${revocation} ms`);
      }
    return subjects.flatMap(({ name, grants, revocations }): Figure[] => [
      { name: `${name}: grant until the first packet`, unit: 'ms', values: grants },
      { name: `${name}: revocation until the last packet`, unit: 'ms', values: revocations },
    ]);
  } finally {
    await s.cleanup.run();
  }
}

async function subject(
  s: PathsScenario<'laptop' | 'other' | 'gate'>,
  place: 'laptop' | 'other',
  address: string,
  tree?: string,
): Promise<Subject> {
  const client = await s.clientUp(place, tree === undefined ? {} : { tree });
  await client.is('a direct path', ({ gateways: [gate] }) => gate?.path === 'direct' && gate.rttMs !== null);
  const pulse = Daemon.start([pulseProgram, address, String(port)], {
    cleanup: s.cleanup,
    namespace: s.lab.space(place),
  });
  return { name: tree === undefined ? 'ours' : 'baseline', client, pulse, grants: [], revocations: [] };
}

/** Grants and revokes once, each after the change before it is in force everywhere. */
async function measure(
  s: PathsScenario<'laptop' | 'other' | 'gate'>,
  { client, pulse, grants, revocations }: Subject,
  resource: string,
): Promise<void> {
  const settled = async () => {
    await s.converged();
    await client.is('current', ({ current }) => current);
  };
  await settled();
  const asked = monotonicMs();
  const policy = await s.policy('laptop to annex', { devices: [client.id], resources: [resource] });
  grants.push((await told(pulse, 'on', asked)) - asked);
  await settled();
  const revoked = monotonicMs();
  await s.controller.call('deletePolicy', { params: { id: policy } });
  revocations.push((await told(pulse, 'off', revoked)) - revoked);
}

/** Returns the time that a device tells after a moment. */
async function told(pulse: Daemon, what: 'on' | 'off', since: number): Promise<number> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const times = [...pulse.output.matchAll(new RegExp(`^${what} ([\\d.]+)$`, 'gm'))].map(([, time]) => Number(time));
    const found = times.find((time) => time >= since);
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`the device tells no "${what}":\n${pulse.output.slice(-500)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
