import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Daemon, monotonicMs, until } from '@sallyport/testkit';
import { makeResource } from './administration.ts';
import type { ClientUnderTest } from './client.ts';
import type { Figure } from './figures.ts';
import { serverOf } from './nat-lab.ts';
import { PathsScenario } from './paths-scenario.ts';

const port = 7000;
const pulseProgram = fileURLToPath(new URL('./pulse-main.ts', import.meta.url));

type Lab = PathsScenario<'laptop' | 'other' | 'gate' | 'gate2'>;

/** A native device with a series of datagrams to a resource behind its gateway, and what it measured. */
interface Subject {
  readonly name: string;
  readonly client: ClientUnderTest;
  readonly gateway: Daemon;
  readonly pulse: Daemon;
  readonly resource: string;
  readonly grants: number[];
  readonly revocations: number[];
  readonly clientTimes: number[];
  readonly gatewayTimes: number[];
}

/**
 * Measures changes for a native device whose tunnel is up. A grant lasts from the start of the request to the API to
 * the first echo of the granted resource. A revocation lasts from the start of the request to the last echo. The
 * processor times are those of the agents and of the programs that they ran to an end, for one grant and its end.
 * `SALLYPORT_LAB_BASELINE` names another tree; its client and gateway then take turns with those of this tree.
 */
export async function changes(rounds: number, tell: (line: string) => void): Promise<Figure[]> {
  const { SALLYPORT_LAB_BASELINE: baseline } = process.env;
  const s: Lab = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', other: 'home', gate: 'internet', gate2: 'internet' },
    lans: { office: ['gate'], annex: ['gate2'] },
    gateways: { gate: { endpoint: true }, ...(baseline && { gate2: { endpoint: true, tree: baseline } }) },
  });
  try {
    const subjects = [await subject(s, 'ours', { place: 'laptop', gate: 'gate', lan: 'office' })];
    if (baseline)
      subjects.push(await subject(s, 'baseline', { place: 'other', gate: 'gate2', lan: 'annex' }, baseline));
    for (let round = 0; round < rounds; round++)
      for (const one of round % 2 === 0 ? subjects : [...subjects].reverse()) {
        await measure(s, one);
        const [grant, revocation] = [one.grants, one.revocations].map((values) => values.at(-1)?.toFixed(1));
        tell(`${one.name}, round ${round + 1}: grant ${grant} ms, revocation ${revocation} ms`);
      }
    return subjects.flatMap(figuresOf);
  } finally {
    await s.cleanup.run();
  }
}

function figuresOf({ name, grants, revocations, clientTimes, gatewayTimes }: Subject): Figure[] {
  const all = { grant: grants, revocation: revocations, 'client CPU': clientTimes, 'gateway CPU': gatewayTimes };
  return Object.entries(all).map(([what, values]) => ({ name: `${name}: ${what}`, unit: 'ms', values }));
}

async function subject(
  s: Lab,
  name: string,
  where: {
    readonly place: 'laptop' | 'other';
    readonly gate: 'gate' | 'gate2';
    readonly lan: 'office' | 'annex';
  },
  tree?: string,
): Promise<Subject> {
  const { place, gate, lan } = where;
  await s.open(lan, [gate]);
  // The device has a way to the gateway and the LAN before it gets one to this address.
  const address = s.lab.address(serverOf(lan)).replace(/\d+$/, '99');
  await s.lab.space(serverOf(lan)).ip('address', 'add', `${address}/32`, 'dev', 'lo');
  await (await s.server(lan)).listenUdp(port, address);
  const wish = { name: `${lan} 2`, addresses: [address], ports: [`UDP ${port}`], gateways: [s.gateway(gate).id] };
  const resource = await makeResource(s.controller, wish);
  const client = await s.clientUp(place, tree === undefined ? {} : { tree });
  await client.is('a direct path', ({ gateways }) =>
    gateways.some((one) => one.path === 'direct' && one.name === gate),
  );
  const { cleanup } = s;
  const pulse = Daemon.start([pulseProgram, address, String(port)], { cleanup, namespace: s.lab.space(place) });
  const gateway = s.gateway(gate).agent.daemon;
  const values = { grants: [], revocations: [], clientTimes: [], gatewayTimes: [] };
  return { name, client, gateway, pulse, resource, ...values };
}

/** Grants and revokes once, each after the change before it is in force everywhere. */
async function measure(s: Lab, one: Subject): Promise<void> {
  const { client, gateway, pulse, resource } = one;
  const settled = async () => {
    await s.converged();
    await client.is('current', ({ current }) => current);
  };
  await settled();
  const [clientBefore, gatewayBefore] = [processorMs(client.daemon), processorMs(gateway)];
  let id = '';
  const grant = async () => {
    id = await s.policy('one to one', { devices: [client.id], resources: [resource] });
  };
  one.grants.push(await timed(pulse, 'on', grant));
  await settled();
  one.revocations.push(await timed(pulse, 'off', () => s.controller.call('deletePolicy', { params: { id } })));
  await settled();
  one.clientTimes.push(processorMs(client.daemon) - clientBefore);
  one.gatewayTimes.push(processorMs(gateway) - gatewayBefore);
}

/** Processor time of a process and of its children that have ended. The kernel counts it in hundredths of a second. */
function processorMs({ child }: Daemon): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

/** Returns the milliseconds from now until a device's packets next begin or end to pass, and waits for it. */
async function timed(pulse: Daemon, what: 'on' | 'off', change: () => Promise<unknown>): Promise<number> {
  const times = () =>
    [...pulse.output.matchAll(new RegExp(`^${what} ([\\d.]+)$`, 'gm'))].map(([, time]) => Number(time));
  const earlier = times().length;
  const from = monotonicMs();
  await change();
  const found = await until(`the device to tell "${what}"`, () => times()[earlier] ?? null, { everyMs: 5 });
  // The last packet may have come just before the request.
  return Math.max(0, found - from);
}
