import { execFile } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type StateDelta, statementText } from '@sallyport/contract/channel';
import { type AccessQuery, TenantCompiler } from '@sallyport/policy';
import { type AmountResult, amount, median, type PairedResult, paired } from './harness.ts';
import {
  addressOf,
  benchSettings,
  groupsOfUser,
  halfTenant,
  randomNumbers,
  type TenantSize,
  tenantChanges,
  tenthTenant,
  userChange,
  wholeTenant,
} from './policy-tenant.ts';

/** Measures one warm decision: a random device asks for a random resource. */
export async function deciding(rounds: number): Promise<AmountResult[]> {
  const size = { ...wholeTenant, policies: 1000 };
  const compiler = compiled(size);
  const random = randomNumbers(2);
  const queries = Array.from({ length: 20_000 }, (): AccessQuery => {
    const resource = Math.floor(random() * size.resources);
    const device = `device${Math.floor(random() * size.devices)}`;
    const port = resource % 2 === 0 ? 443 : 22;
    return { device, destination: addressOf(resource), protocol: 'tcp', port, at };
  });
  for (const query of queries) compiler.decide(query);
  const measure = async () => {
    const times = queries.slice(0, 5000).map((query) => {
      const from = performance.now();
      compiler.decide(query);
      return performance.now() - from;
    });
    return median(times) * 1000;
  };
  const figure = 'one decision, warm: 1,000 policies, 10,000 devices, 1,000 resources';
  return [await amount(figure, 'µs', measure, { rounds, atMost: 20 })];
}

/** Measures a full compile of a tenant, each time in a new process. */
export async function compiling(rounds: number): Promise<AmountResult[]> {
  const runs: { milliseconds: number; megabytes: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const file = fileURLToPath(new URL('./policy-compile.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    runs.push(JSON.parse(stdout));
  }
  const what = 'compile of 10,000 devices, 1,000 groups, 1,000 resources, 500 policies';
  const next = (pick: (run: { milliseconds: number; megabytes: number }) => number) => {
    const left = runs.map(pick);
    return async () => left.shift() ?? Number.NaN;
  };
  const seconds = next((run) => run.milliseconds / 1000);
  const memory = next((run) => run.megabytes);
  return [
    await amount(`from-scratch ${what}`, 's', seconds, { rounds, atMost: 2 }),
    await amount(`memory of the process after the from-scratch ${what}`, 'MB', memory, { rounds, atMost: 500 }),
  ];
}

/**
 * Measures one change of a user's groups, compiled and made into signed messages for gateways: in the whole tenant, and
 * against a tenant of a tenth of the size.
 */
export async function membership(rounds: number): Promise<(PairedResult | AmountResult)[]> {
  const whole = memberChanges(wholeTenant);
  const tenth = memberChanges(tenthTenant);
  const perSecond = (next: () => number) => async () => 1000 / median(Array.from({ length: 200 }, next));
  const figure = 'one group membership change, compiled and signed for the gateways';
  return [
    await amount(figure, 'ms', async () => median(Array.from({ length: 200 }, whole)), { rounds, atMost: 5 }),
    await paired(
      `${figure}: the whole tenant over one of a tenth of the size`,
      'changes/s',
      {
        baseline: { name: 'a tenth', measure: perSecond(tenth) },
        subject: { name: 'the whole', measure: perSecond(whole) },
      },
      { rounds, atLeast: 0.67 },
    ),
  ];
}

/** Measures bytes of desired state for each device and destination, of the median gateway, at two sizes. */
export async function stateSize(): Promise<AmountResult[]> {
  const [whole, half] = [wholeTenant, halfTenant].map((size) => Math.round(bytesPerItem(compiled(size))));
  const ratio = (whole as number) / (half as number);
  const figure = `desired-state bytes per device and destination: ${whole} over ${half} at half the size`;
  return [await amount(figure, 'ratio', async () => ratio, { rounds: 1, atMost: 1.2 })];
}

const at = Date.UTC(2026, 10, 23, 9);

function compiled(size: TenantSize): TenantCompiler {
  const compiler = new TenantCompiler(benchSettings);
  compiler.apply(tenantChanges(size), at);
  return compiler;
}

/** Moves random users into other groups and returns the milliseconds of each change. */
function memberChanges(size: TenantSize): () => number {
  const compiler = compiled(size);
  const random = randomNumbers(3);
  const pick = (count: number) => Math.floor(random() * count);
  return () => {
    const user = pick(size.devices / 2);
    const change = userChange(user, groupsOfUser(user, size, pick));
    const from = performance.now();
    for (const [gateway, delta] of compiler.apply([change], at)) message(gateway, compiler.hash(gateway), delta);
    return performance.now() - from;
  };
}

const { privateKey } = generateKeyPairSync('ed25519');

/** Returns the text that is sent to a gateway. */
function message(gateway: string, hash: string, delta: StateDelta): string {
  const revision = { epoch: 'epoch', number: 1 };
  const statement = { agent: gateway, revision, hash, issuedAt: at, leaseUntil: at + 86_400_000 };
  const signature = sign(null, Buffer.from(statementText(statement)), privateKey).toString('base64');
  return JSON.stringify({ type: 'delta', from: hash, ...delta, signed: { statement, signature } });
}

function bytesPerItem(compiler: TenantCompiler): number {
  const perGateway = [...compiler.world.gateways.keys()].map((gateway) => {
    const items = compiler.items(gateway);
    const served = items.filter(({ kind }) => kind === 'device' || kind === 'class').length;
    return JSON.stringify(items).length / served;
  });
  return median(perGateway);
}
