import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { cleanLines } from '@sallyport/contract/text';
import { returnMemoryAfterStart, type StopReason, stopRequested } from '@sallyport/program';
import { version } from '@sallyport/program/place';
import type pino from 'pino';
import { type Config, readConfig } from './config.ts';
import { helpText } from './config-help.ts';
import { OperatorError } from './errors.ts';
import { localGatewayToken, onLocalRekey } from './features/gateways/local.ts';
import { greeting } from './greeting.ts';
import { readLocalAgent } from './local-agent.ts';
import { runLocalGateway, whyNoLocalGateway } from './local-gateway.ts';
import { createLog, standardError } from './log.ts';
import { tellSetUp } from './set-up-file.ts';
import { type Started, startController } from './start.ts';

try {
  const invocation = readConfig(process.env, process.argv.slice(2));
  if (invocation.kind === 'help') process.stdout.write(helpText());
  else if (invocation.kind === 'version') process.stdout.write(`${version}\n`);
  else await run(invocation.config);
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  process.stderr.write(cleanLines(`${error.message}\n`));
  process.exitCode = 1;
}

async function run(config: Config): Promise<void> {
  const log = createLog(config.logLevel, standardError());
  const stopped = untilStopped(config);
  if (config.tls?.warning) log.warn({}, config.tls.warning);
  const controller = await startController(config, version, log, (err) => databaseEnded(err, log));
  const gateway = await startLocalGateway(config, controller, log).catch(async (error) => {
    await controller.stop();
    throw error;
  });
  void stopped.then((reason) => {
    if (process.stderr.isTTY && gateway.running) process.stderr.write(gatewayGoesDown);
    return stopInOrder(log, reason, async () => {
      const steps = await Promise.allSettled([gateway.stop(), controller.stop()]);
      for (const step of steps) if (step.status === 'rejected') throw step.reason;
    });
  });
  returnMemoryAfterStart();
  const setUp = tellSetUp(controller.setUpUrl, config.dataDir, process.stdout.isTTY);
  process.stdout.write(greeting(controller, setUp, gateway));
}

/** Everything acknowledged is in the database. What this process remembers may no longer be true. */
function databaseEnded(error: unknown, log: pino.Logger): void {
  log.fatal({ err: error }, 'the controller cannot go on with its database');
  if (error instanceof OperatorError) process.stderr.write(cleanLines(`${error.message}\n`));
  process.exit(1);
}

async function startLocalGateway(config: Config, { store, secrets, localUrl }: Started, log: pino.Logger) {
  const none = (text: string) => ({ text, running: false, stop: async () => undefined });
  if (config.localGateway === 'off') return none('none on this machine (SALLYPORT_LOCAL_GATEWAY is off)');
  const reason = whyNoLocalGateway();
  if (reason !== null && config.localGateway === 'on')
    throw new OperatorError(`no local gateway is possible: ${reason}`);
  if (reason !== null) return none(`none on this machine: ${reason}`);
  const stateDir = join(config.dataDir, 'gateway');
  const token = () => localGatewayToken({ store, ...secrets, agent: () => readLocalAgent(stateDir) });
  if ((await token()) === null) return none('none on this machine: the local one was deleted');
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^SALLYPORT_(?!WIREGUARD_GO$)/.test(name)),
  );
  const gateway = runLocalGateway({
    controllerUrl: localUrl,
    caFile: config.tls?.certFile ?? null,
    token,
    stateDir,
    env,
    log,
  });
  await onLocalRekey(store, {
    rekeyed: () => gateway.renew(),
    failed: (err) => log.error({ err }, 'could not look whether the local gateway was re-keyed'),
  });
  return { text: '"local" is starting on this machine', running: true, stop: () => gateway.stop() };
}

const gatewayGoesDown = `
Stopping. The tunnels of the local gateway go down with it. Press Ctrl-C three times within a second to end at once.
`;

/** How long stopping in order may take: longer than the local gateway's own patience. */
const patienceMs = 25_000;

/** Listens for signals from the first moment on: a gateway that has started must not miss the end of its controller. */
function untilStopped(config: Config): Promise<StopReason> {
  return stopRequested(process, {
    closedOutput: 'continue',
    write: (text) => writeSync(2, text),
    left: () =>
      config.localGateway === 'off'
        ? 'No acknowledged change is lost.\n'
        : `No acknowledged change is lost. The tunnels of the local gateway may still be up.
To remove them: bin/sally gateway down --state-dir ${join(config.dataDir, 'gateway')}
`,
  });
}

async function stopInOrder(log: pino.Logger, reason: StopReason, stop: () => Promise<void>): Promise<void> {
  log.info({ signal: reason }, 'stopping');
  setTimeout(() => {
    log.error({}, 'stopping took too long');
    process.exit(1);
  }, patienceMs).unref();
  try {
    await stop();
    process.exit(0);
  } catch (error) {
    log.error({ err: error }, 'could not stop in order');
    process.exit(1);
  }
}
