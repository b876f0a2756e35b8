import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cleanup, holds, until, whyNoNamespaces } from '@sallyport/testkit';
import { copyCheckout, installForProduction, testFolder } from '../install/checkout.ts';
import { type Block, shellBlocks } from '../readme/blocks.ts';
import { type MachineName, ReadmeWorld, type Running } from '../readme/world.ts';

const skip = whyNoNamespaces() ?? false;
const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');

/** A code block of README with the actions of the test for it. */
interface Step {
  /** Beginning of the block, so that a moved or replaced block is noticed. */
  readonly block: string;
  readonly on?: MachineName;
  /** The block runs until Ctrl-C, and is ready after this output. */
  readonly staysAfter?: RegExp;
  /** Expected output. */
  readonly says?: readonly RegExp[];
  /** The reader types the API key. */
  readonly typesKey?: true;
  /** Runs in the home folder, on a machine without the clone. */
  readonly home?: true;
  /** Reason for not running the block. */
  readonly notRun?: string;
  /** Claims and manual steps of README before and after the block. */
  readonly before?: (story: Story) => Promise<void>;
  readonly after?: (story: Story) => Promise<void>;
}

const patient = { timeoutMs: 90_000 };
const online = /local[^\n]*ONLINE/;

const steps: readonly Step[] = [
  { block: 'sudo apt-get install ./sallyport_', notRun: 'tests/packages builds the package and looks into it' },
  {
    block: 'curl -fsSL https://controller.example.com/install',
    notRun: 'tests/install runs the scripts of a controller',
  },
  {
    block: 'npm start',
    on: 'controller',
    staysAfter: /Sallyport is ready/,
    says: [/Address +http:\/\/127\.0\.0\.1:8080/, /API key +sak_/, /Gateway +"local" is starting/, /Ctrl-C stops/],
    after: async (story) => {
      story.key = /API key +(sak_\S+)/.exec(story.controller.output)?.[1] ?? '';
    },
  },
  { block: 'npm test', notRun: 'npm test runs this test, and tests/lab runs npm run lab' },
  {
    block: 'npx sally login\nnpx sally status',
    on: 'controller',
    typesKey: true,
    after: (story) => story.untilSays('controller', 'npx sally status', online),
  },
  { block: 'npx sally resources create Wiki', on: 'controller', says: [/Wiki/] },
  { block: 'npx sally policies create', on: 'controller', says: [/\.config\/sallyport\/devices\/phone\.conf/] },
  {
    block: 'sudo wg-quick up ./phone.conf',
    on: 'phone',
    home: true,
    before: (story) => story.carry('.config/sallyport/devices/phone.conf', 'phone', 'phone.conf'),
    says: [/Welcome to the wiki/],
    after: async (story) => {
      assert.ok(!(await story.reaches('phone', 'https://10.20.0.11')), 'no other address');
      assert.ok(!(await story.reaches('phone', 'http://10.20.0.10')), 'no other port');
    },
  },
  { block: 'npx sally access explain phone', on: 'controller', says: [/allowed/i, /Wiki for all/] },
  {
    block: 'npx sally policies delete',
    on: 'controller',
    before: async (story) => {
      story.open = story.world.machine('phone').start('curl -skN https://10.20.0.10/endless');
      await story.open.says(/(more\n){3}/);
    },
    says: [/denied/i],
    after: async ({ open }) => {
      const size = () => open?.output.length;
      await until('the open connection to end', async () => {
        const before = size();
        return holds(() => size() === before, 1000);
      });
      await open?.kill('SIGKILL');
    },
  },
  { block: 'mkdir -p -m 700 ~/sallyport-tls', on: 'controller' },
  {
    block: 'export SALLYPORT_LISTEN',
    on: 'controller',
    before: async (story) => {
      await story.end('controller');
      assert.doesNotMatch(await story.dataPlane('controller'), /sallyport/, 'Ctrl-C takes the tunnels of local down');
    },
    staysAfter: /Sallyport is ready/,
    says: [/https:\/\/controller\.example\.com:8443/],
  },
  {
    block: 'npx sally login --url',
    on: 'controller',
    typesKey: true,
    after: (story) => story.untilSays('controller', 'npx sally status', online),
  },
  { block: 'sudo sh scripts/setup.sh', on: 'laptop' },
  { block: 'npx sally policies create', on: 'controller' },
  {
    block: 'sudo bin/sally up',
    on: 'laptop',
    before: async (story) => {
      await story.carry('laptop.key', 'laptop');
      await story.carry('sallyport-tls/cert.pem', 'laptop', 'cert.pem');
    },
    says: [/^Up: connected to https:\/\/controller\.example\.com:8443/m, /Wiki: through local/, /Welcome to the wiki/],
  },
  {
    block: 'sudo bin/sally status',
    on: 'laptop',
    says: [/local/, /target [\d.]+ ms/, /controller/i, /Undone:/, /\nUp: connected/],
    after: async (story) => assert.ok(await story.reaches('laptop', 'https://10.20.0.10')),
  },
  { block: 'npx sally gateways create office', on: 'controller' },
  {
    block: 'sudo bin/sally gateway run',
    on: 'office',
    before: async (story) => {
      await story.carry('office.token', 'office');
      await story.carry('sallyport-tls/cert.pem', 'office', 'cert.pem');
    },
    staysAfter: /starting/,
    after: (story) => story.untilSays('controller', 'npx sally gateways get office', /ONLINE/),
  },
  {
    block: 'npx sally resources attach Wiki office',
    on: 'controller',
    after: async (story) => {
      await story.untilSays('laptop', 'sudo bin/sally status', /Wiki: through office|Wiki[^\n]*office/);
      assert.ok(await story.reaches('laptop', 'https://10.20.0.10'));
    },
  },
  {
    block: 'npx sally gateways enable-relay local',
    on: 'controller',
    after: async (story) => {
      await story.carry('.config/sallyport/devices/phone.conf', 'phone', 'phone.conf');
      const phone = story.world.machine('phone');
      assert.equal((await phone.run('wg-quick down ./phone.conf; wg-quick up ./phone.conf', { home: true })).code, 0);
      await until('the phone to come in through local', () => story.reaches('phone', 'https://10.20.0.10'), patient);
      assert.match((await phone.run('wg show')).output, /endpoint: 203\.0\.113\.10:/);
      assert.doesNotMatch((await phone.run('wg show')).output, /endpoint: 203\.0\.113\.20:/);
    },
  },
  {
    block: 'npx sally gateways maintenance office',
    on: 'controller',
    says: [/MAINTENANCE/, /safe to stop/i],
    after: async (story) => {
      await story.untilSays('laptop', 'sudo bin/sally status', /Wiki[^\n]*office/);
      await story.world.cut('office');
      await until('the next gateway', () => story.reaches('laptop', 'https://10.20.0.10'), patient);
    },
  },
  {
    block: 'sudo bin/sally gateway down',
    on: 'office',
    before: async (story) => {
      await story.end('office');
      assert.match(await story.dataPlane('office'), /sallyport0/, 'the tunnels outlive the command');
    },
    says: [/interface sallyport0/],
    after: async (story) => assert.doesNotMatch(await story.dataPlane('office'), /sallyport/),
  },
];

/** The reader, who follows README from top to bottom. */
class Story {
  readonly world: ReadmeWorld;
  readonly #running = new Map<string, Running>();
  key = '';
  open: Running | undefined;

  constructor(world: ReadmeWorld) {
    this.world = world;
  }

  get controller(): Running {
    const controller = this.#running.get('controller');
    if (controller === undefined) throw new Error('the controller does not run');
    return controller;
  }

  async do({ text, line }: Block, step: Step): Promise<void> {
    if (step.notRun !== undefined) return;
    await step.before?.(this);
    const place = step.on ?? 'controller';
    const machine = this.world.machine(place);
    const options = { home: step.home === true, input: step.typesKey ? `${this.key}\n` : '' };
    let output: string;
    if (step.staysAfter !== undefined) {
      const running = machine.start(text, options);
      this.#running.set(place, running);
      await running.says(step.staysAfter);
      output = running.output;
    } else {
      const outcome = await machine.run(text, options);
      output = outcome.output;
      assert.equal(outcome.code, 0, `README.md:${line} ended with ${outcome.code}:\n${output}`);
    }
    for (const pattern of step.says ?? []) assert.match(output, pattern, `README.md:${line}`);
    await step.after?.(this);
  }

  /** Presses Ctrl-C on a running program. */
  async end(on: MachineName): Promise<void> {
    const running = this.#running.get(on);
    assert.equal(await running?.kill('SIGINT'), 0, running?.output);
  }

  async dataPlane(on: MachineName): Promise<string> {
    return (await this.world.machine(on).run('nft list ruleset; ip -br link')).output;
  }

  /** Copies a file from the home folder of the controller's machine to that of another machine. */
  carry(from: string, to: MachineName, as = from): Promise<void> {
    return this.world.machine('controller').copyTo(this.world.machine(to), `~/${from}`, `~/${as}`);
  }

  async reaches(from: MachineName, url: string): Promise<boolean> {
    return (await this.world.machine(from).run(`curl -sk -m 2 ${url}`)).output.includes('Welcome to the wiki');
  }

  async untilSays(on: MachineName, command: string, pattern: RegExp): Promise<void> {
    let last = '';
    await until(
      `${command} to say ${pattern}`,
      async () => {
        last = (await this.world.machine(on).run(command)).output;
        return pattern.test(last);
      },
      patient,
    ).catch((error) => {
      throw new Error(`${(error as Error).message}; it said:\n${last}`);
    });
  }
}

test('every command block of README.md has a step, in order', () => {
  const blocks = shellBlocks(readme);
  assert.deepEqual(
    blocks.map(({ text }, index) => text.slice(0, steps[index]?.block.length ?? 60)),
    steps.map(({ block }) => block),
  );
});

test('every command of README.md works as written, from the first start to two gateways', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = testFolder(t, 'sp-readme-');
  const checkout = copyCheckout(join(folder, 'sallyport'));
  installForProduction(checkout);
  const story = new Story(await ReadmeWorld.create(cleanup, folder, checkout));
  for (const [index, block] of shellBlocks(readme).entries()) {
    const step = steps[index];
    assert.ok(step, `README.md:${block.line} has no step`);
    const name = `line ${block.line}, on ${step.on ?? 'no machine'}: ${block.text.split('\n')[0]}`;
    const reason = step.notRun === undefined ? {} : { skip: step.notRun };
    let done = step.notRun !== undefined;
    await t.test(name, reason, async () => {
      await story.do(block, step);
      done = true;
    });
    // Each step continues from the end of the previous one.
    if (!done) return;
  }
});
