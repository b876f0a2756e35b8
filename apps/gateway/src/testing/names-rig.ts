/**
 * Runs the names of a gateway in the namespace of this process, with a real table and a resolver of its own, and takes
 * orders from its parent. Needs the gateway's address on an interface, and a `resolv.conf` with 127.0.0.1.
 */
import { createSocket } from 'node:dgram';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleItem, classItem, deviceItem, gatewayItem, profileItem } from '@sallyport/agent-core/testing';
import { createLog, StateDirectory } from '@sallyport/agent-runtime';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import { until } from '@sallyport/testkit';
import { decode, encode } from 'dns-packet';
import { GatewayNames } from '../names/names.ts';
import { FirewallSide } from '../plane/firewall-side.ts';

/** The gateway to run. */
export interface RigPlan {
  readonly interface: string;
  readonly names: number;
  /** Addresses of devices, all of which may reach everything. */
  readonly devices: readonly string[];
  /** Real address of every name but the moving one. */
  readonly destination: string;
}

/** An order to the rig. */
export type RigOrder =
  /** Answers when all names are translated. */
  | { readonly op: 'start'; readonly plan: RigPlan }
  /** The resolver gives one name another address. Answers with milliseconds from its answer to the translation. */
  | { readonly op: 'move' }
  /** The controller adds a name. Answers with milliseconds until it is translated. */
  | { readonly op: 'add' }
  /** The controller adds a name about which the resolver is slow. Answers with its number before the resolver does. */
  | { readonly op: 'cold' }
  /** Answers with the monotonic milliseconds at which the resolver answered about the last such name. */
  | { readonly op: 'answered' }
  /** Answers with the processor time that this process has spent, in microseconds. */
  | { readonly op: 'usage' }
  | { readonly op: 'stop' };

const overlay = { v4: '100.64.0.0/11', v6: 'fd00:5a11::/48' };
const longTtl = 300;
/** The gateway asks again at the earliest moment that it ever does. */
const shortTtl = 1;
const slowMs = 300;
const everything = ['tcp', 'udp', 'icmp'] as const;

/** Returns the address that follows `base` by `n`. */
const after = (base: number, n: number): string => [24, 16, 8, 0].map((by) => ((base + n) >>> by) & 255).join('.');
const virtualOf = (n: number): string => after(0x64600001, n);
const nameOf = (n: number): string => `n${n}.corp.example`;

function nameItem(n: number): NameItem {
  return { kind: 'name', key: `name/${nameOf(n)}`, id: nameOf(n), addresses: [virtualOf(n)], resources: [] };
}

/** A resolver. Its answers about the first name are short-lived, and give another address each time. */
class Zone {
  readonly #socket = createSocket('udp4');
  readonly #destination: string;
  #moves = 0;
  /** The name about which the resolver is slow. */
  slow = '';
  answeredAt = 0;
  /** Called after an answer about the moving name was sent. */
  moved: () => void = () => {};

  constructor(destination: string) {
    this.#destination = destination;
  }

  async open(): Promise<void> {
    this.#socket.on('message', (data, from) => {
      const answer = () => {
        this.#answer(data, from);
      };
      if (decode(data).questions?.[0]?.name === this.slow) setTimeout(answer, slowMs);
      else answer();
    });
    await new Promise<void>((resolve) => this.#socket.bind(53, '127.0.0.1', resolve));
  }

  close(): void {
    this.#socket.close();
  }

  #answer(data: Buffer, from: { readonly port: number; readonly address: string }): void {
    const { id = 0, questions = [] } = decode(data);
    const [{ name, type } = { name: '', type: 'A' }] = questions;
    const moves = name === nameOf(0) && type === 'A';
    if (moves) this.#moves += 1;
    const real = moves ? after(0x0a1d0001, this.#moves % 2) : this.#destination;
    const answers = type === 'A' ? [{ type, name, ttl: moves ? shortTtl : longTtl, data: real } as const] : [];
    this.#socket.send(encode({ type: 'response', id, questions, answers }), from.port, from.address);
    if (name === this.slow) this.answeredAt = monotonic();
    if (moves) this.moved();
  }
}

/** Milliseconds of a clock that all processes of this machine share. */
function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

class Rig {
  readonly #zone: Zone;
  readonly #plan: RigPlan;
  readonly #firewall: FirewallSide;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sallyport-rig-'));
  readonly #names: GatewayNames;
  #items: ReadonlyMap<string, StateItem> = new Map();
  readonly #leaseUntil = Date.now() + 3_600_000;
  #inForce: () => void = () => {};
  #added: number;

  constructor(plan: RigPlan) {
    this.#plan = plan;
    this.#added = plan.names;
    this.#zone = new Zone(plan.destination);
    this.#names = new GatewayNames({
      directory: StateDirectory.at(this.#folder),
      log: createLog('warn', (line) => process.stderr.write(line), Date.now),
      now: Date.now,
      changed: async () => {
        await this.#firewall.renewNames(Date.now());
        this.#inForce();
      },
      tell: () => {},
    });
    this.#firewall = new FirewallSide(plan.interface, () => {}, console.error, this.#names);
  }

  async start(): Promise<number> {
    const { names, devices, destination } = this.#plan;
    await this.#zone.open();
    const ranges = [`${virtualOf(0)}-${virtualOf(names + 10_000)}`, `${destination}-${destination}`];
    const items = [
      gatewayItem({ overlay, addresses: ['100.64.0.1/32'] }),
      ...devices.map((address, i) => deviceItem(i + 1, { addresses: [address] })),
      profileItem('p1', [{ class: 'c1', bundle: 'b1', expiresAt: null }]),
      classItem('c1', ranges),
      bundleItem(
        'b1',
        everything.map((protocol) => ({ protocol, from: 0, to: 65535, policy: 'p' })),
      ),
      ...Array.from({ length: names }, (_, n) => nameItem(n)),
    ];
    this.#items = new Map(items.map((item) => [item.key, item]));
    const timing = { leaseUntil: this.#leaseUntil, retimed: false };
    await this.#names.expect({ kind: 'load', items: this.#items, ...timing });
    await this.#firewall.load(this.#items, overlay, { ...timing, now: Date.now });
    await this.#names.listen();
    await until('all names to be translated', () => (this.#names.translation?.size ?? 0) >= names, {
      timeoutMs: 60_000,
    });
    return 0;
  }

  async move(): Promise<number> {
    const answered = await new Promise<number>((resolve) => {
      this.#zone.moved = () => resolve(performance.now());
    });
    await this.#nextChange();
    return performance.now() - answered;
  }

  async add(): Promise<number> {
    const began = performance.now();
    const done = this.#nextChange();
    await this.#addName();
    await done;
    return performance.now() - began;
  }

  async cold(): Promise<number> {
    this.#zone.slow = nameOf(this.#added);
    await this.#addName();
    return this.#added - 1;
  }

  get answeredAt(): number {
    return this.#zone.answeredAt;
  }

  async stop(): Promise<void> {
    await this.#names.stop();
    await this.#firewall.remove();
    this.#zone.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #addName(): Promise<void> {
    const item = nameItem(this.#added);
    this.#added += 1;
    const changes = [{ before: null, after: item }];
    // As in the agent, a change comes with a copy of all items.
    this.#items = new Map(this.#items).set(item.key, item);
    await this.#names.expect({ kind: 'change', items: this.#items, changes, leaseUntil: this.#leaseUntil });
    await this.#firewall.change({}, this.#items, Date.now());
    await this.#names.listen();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#inForce = resolve;
    });
  }
}

let rig: Rig | null = null;

async function obey(order: RigOrder): Promise<number> {
  if (order.op === 'start') {
    rig = new Rig(order.plan);
    return rig.start();
  }
  if (rig === null) throw new Error('the rig has not been started');
  if (order.op === 'usage') return process.cpuUsage().user + process.cpuUsage().system;
  if (order.op === 'answered') return rig.answeredAt;
  if (order.op !== 'stop') return rig[order.op]();
  await rig.stop();
  return 0;
}

process.on('disconnect', () => process.exit(1));
process.on('message', async (order: RigOrder) => {
  const answer = await obey(order);
  process.send?.(answer, () => {
    if (order.op === 'stop') process.exit(0);
  });
});
