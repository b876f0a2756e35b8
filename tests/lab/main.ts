import { writeSync } from 'node:fs';
import { exitCodeOf, stopRequested } from '@sallyport/program';
import { Cleanup, cleanUpEverything, exec, removeNamespace, whyNoNamespaces } from '@sallyport/testkit';
import { places, SmallInternet } from './small-internet.ts';
import { type Narrator, tellStory } from './story.ts';

const help = `npm run lab [-- --once]

A whole small internet in network namespaces on this machine: a controller, a gateway with a private web
server behind it, a laptop behind a NAT, a visitor. Tells the main job step by step, then stays up for playing.

  --once   end after the story: exit code 0 when every step held
  --help   this text

Needs Linux, root and /dev/net/tun. Leaves nothing behind, also after Ctrl-C.
`;

const prefix = `lab-${process.pid}-`;
const colour = process.stdout.isTTY;
const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

const narrator: Narrator = {
  chapter: (title) => console.log(`\n${paint(1, title)}`),
  tell: (line) => console.log(`  ${line}`),
  async step(line, run, outcome) {
    const from = performance.now();
    process.stdout.write(`  ${line} … `);
    try {
      const value = await run();
      console.log(`${paint(32, outcome(value))} ${paint(2, `(${Math.round(performance.now() - from)} ms)`)}`);
      return value;
    } catch (error) {
      console.log(paint(31, 'no'));
      throw error;
    }
  },
};

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => arg !== '--once' && arg !== '--help');
  if (args.includes('--help') || unknown.length > 0) {
    if (unknown.length > 0) console.error(`unknown: ${unknown.join(' ')}\n`);
    console.log(help);
    return unknown.length > 0 ? 2 : 0;
  }
  const why = whyNoNamespaces();
  if (why !== null) {
    console.error(`The lab ${why}.`);
    return 1;
  }
  const stopped = stopRequested(process, {
    closedOutput: 'stop',
    write: (text) => writeSync(2, text),
    left: () => `Left behind, until the next lab starts: network namespaces that begin with ${prefix}
To remove them: ip netns list | sed -n 's/^\\(${prefix}[a-z]*\\).*/\\1/p' | while read n; do ip netns pids $n | xargs -r kill -9; ip netns del $n; done
`,
  });
  console.log(`The network namespaces of this lab begin with ${prefix}`);
  await removeLabs((pid) => !alive(pid));
  let told = false;
  const interrupted = stopped.then((reason) => {
    console.log('\nStopping: taking everything down. Press Ctrl-C three times within a second to end at once.');
    return told ? 0 : exitCodeOf(reason);
  });
  try {
    const story = play(args.includes('--once')).then(async (code) => {
      told = true;
      return code ?? (await interrupted);
    });
    return await Promise.race([interrupted, story]);
  } catch (error) {
    console.error(`\n${paint(31, 'The story does not hold:')} ${(error as Error).message}`);
    return 1;
  } finally {
    await cleanUpEverything();
    await removeLabs((pid) => pid === process.pid);
    console.log('\nEverything is taken down.');
  }
}

/** Returns the exit code, or null when the lab stays up. */
async function play(once: boolean): Promise<number | null> {
  const world = await SmallInternet.create(new Cleanup(), prefix);
  const { controller } = await tellStory(world, narrator);
  console.log(`\n${paint(1, 'Every step held.')}`);
  if (once) return 0;
  console.log(`
The lab stays up until Ctrl-C. In another terminal, as root:

  ip netns exec ${prefix}laptop curl http://10.20.0.10/
  export SALLYPORT_URL=${controller.url} SALLYPORT_API_KEY=${controller.apiKey} SALLYPORT_INSECURE=on
  ip netns exec ${prefix}controller bin/sally gateways list
  ip netns exec ${prefix}gateway nft list ruleset
  namespaces: ${places.map((place) => prefix + place).join(' ')}
`);
  return null;
}

/**
 * Removes namespaces of labs, whose names contain the process id: those of a killed lab, or leftovers of its own
 * clean-up.
 */
async function removeLabs(of: (pid: number) => boolean): Promise<void> {
  const names = (await exec('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const name of names) {
    const pid = /^lab-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && of(Number(pid))) await removeNamespace(name);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

// An interrupted story may still wait for something; exit without it.
process.exit(await main(process.argv.slice(2)));
