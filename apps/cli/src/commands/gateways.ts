import { type BatchWrite, type GatewayIntent, gatewayIntent, type RequestBody } from '@sallyport/contract';
import type { Command } from 'commander';
import { batchWrite, writeTogether } from '../batch.ts';
import type { Answer } from '../client.ts';
import { exitCodes, Failure, usage } from '../failure.ts';
import { filterQuery } from '../lists.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { status } from '../table.ts';
import { clean, shellWord } from '../text.ts';
import { whileWaiting } from '../waiting.ts';
import { controllerUrl } from './controller-url.ts';
import { addUpgrades } from './gateway-upgrade.ts';
import { type Gateway, gatewayColumns, showGateway } from './gateway-view.ts';
import { installLine } from './install-line.ts';
import { addLabelCommand, labelled } from './labels.ts';
import {
  choice,
  clearable,
  dnsServerOption,
  dnsServersOf,
  filterOption,
  given,
  labelOption,
  labelsOf,
  mtuOption,
  networkOption,
  onOff,
  writes,
} from './options.ts';

type Changes = Partial<RequestBody<'updateGateway'>>;

interface GatewayFields {
  readonly name?: string;
  readonly description?: string;
  readonly port?: string;
  readonly endpoint?: string;
  readonly masquerade?: boolean;
  readonly intent?: GatewayIntent;
  readonly relayPorts?: string;
  readonly mtu?: number | null;
  readonly label?: string[];
  readonly dnsServer?: string[];
  readonly network?: string;
}

/** Adds `sally gateways …`. */
export function addGateways(program: Command, session: Session): void {
  const group = program
    .command('gateways')
    .alias('gateway')
    .description('gateways, their settings and their intended state');
  addReads(group, session);
  addCreateAndUpdate(group, session);
  addIntents(group, session);
  addActions(group, session);
  addUpgrades(group, session);
  addLabelCommand(group, session, labelled.gateways);
  addAgentCommands(group);
}

function addReads(group: Command, session: Session): void {
  group
    .command('list')
    .description('list all gateways')
    .option('--search <words>', 'only what shows every one of these words: name, endpoint, id and the like')
    .option('--sort <fields>', 'field, -field, field:asc or field:desc, joined by commas')
    .addOption(filterOption())
    .action(async ({ search: q, sort, filter }: { search?: string; sort?: string; filter?: string[] }) => {
      const query = { q, sort, ...filterQuery(filter) };
      const answer = await (await session.api()).call('listGateways', { query });
      session.show(answer, (gateways) =>
        gateways.length === 0
          ? 'There are no gateways yet. Create one: sally gateways create NAME\n'
          : session.table(gatewayColumns, gateways),
      );
    });
  group
    .command('get')
    .argument('<gateway>', 'name or id')
    .description('show a gateway with its connection statistics')
    .action(async (text: string) => showGateway(session, await read(session, text)));
  group
    .command('token')
    .argument('<gateway>', 'name or id')
    .description('print the enrolment token and nothing else')
    .addHelpText(
      'after',
      '\nExample, for a file that only you can read:\n  (umask 077; sally gateways token berlin > berlin.token)',
    )
    .action(async (text: string) => printToken(session, text));
}

function addCreateAndUpdate(group: Command, session: Session): void {
  const create = group
    .command('create')
    .argument('<name>')
    .description('create a gateway and show how to run it')
    .option('--port <port>', 'UDP port of WireGuard', '51820')
    .option('--endpoint <host>', 'host name or IP address, with or without a port (default: discovered)')
    .option('--description <text>')
    .addOption(onOff('--masquerade <on|off>', 'hide devices behind the gateway’s address from resources (default on)'))
    .option('--relay-ports <from-to>', 'UDP ports of the relay (default 52000-52999)')
    .addOption(mtuOption())
    .addOption(dnsServerOption())
    .addOption(networkOption())
    .addOption(labelOption());
  writes(create, 'createGateway').action(async (name: string, flags: GatewayFields & WriteFlags) =>
    createGateway(session, name, flags),
  );

  const update = group
    .command('update')
    .argument('<gateway>', 'name or id')
    .description('change the given fields and keep the others; empty text clears a field')
    .option('--name <name>')
    .option('--port <port>', 'UDP port of WireGuard')
    .option('--endpoint <host>')
    .option('--description <text>')
    .addOption(onOff('--masquerade <on|off>', 'hide devices behind the gateway’s address from resources'))
    .option('--relay-ports <from-to>', 'UDP ports of the relay')
    .addOption(mtuOption())
    .addOption(dnsServerOption())
    .addOption(networkOption())
    .addOption(labelOption())
    .addOption(choice('--intent <intent>', 'the intended state', gatewayIntent.options));
  writes(update, 'updateGateway').action(async (text: string, flags: GatewayFields & WriteFlags) => {
    const changes = given({
      name: flags.name,
      wireguardPort: flags.port,
      endpoint: clearable(flags.endpoint),
      description: clearable(flags.description),
      masquerade: flags.masquerade,
      intent: flags.intent,
      relayPorts: flags.relayPorts,
      mtu: flags.mtu,
      dnsServers: dnsServersOf(flags.dnsServer),
      network: clearable(flags.network),
      labels: labelsOf(flags.label),
    });
    if (Object.keys(changes).length === 0) throw usage('No change is named', 'See: sally gateways update --help');
    await change(session, text, flags, changes);
  });

  const remove = group
    .command('delete')
    .argument('<gateways...>', 'names or ids')
    .description('delete gateways and end all access through them; try --dry-run first');
  writes(remove, 'deleteGateway').action(async (texts: string[], flags: WriteFlags) => {
    const ids = [...new Set(await resolveIds(await session.api(), kinds.gateway, texts))];
    const [id = ''] = ids;
    if (ids.length > 1) {
      const all = ids.map((one) => batchWrite('deleteGateway', { id: one }));
      return writeTogether(session, flags, all, `Deleted ${ids.length} gateways.`);
    }
    const answer = await session.write('deleteGateway', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted gateway ${clean(texts[0] ?? '')}.\n`);
  });
}

function addIntents(group: Command, session: Session): void {
  const intents: readonly [string, GatewayIntent, string][] = [
    ['activate', 'ACTIVE', 'put gateways into service'],
    ['maintenance', 'MAINTENANCE', 'drain gateways: no new flows are steered to them'],
    ['offline', 'OFFLINE', 'take gateways out of service: they forward nothing'],
  ];
  for (const [verb, intent, about] of intents) {
    const command = group.command(verb).argument('<gateways...>', 'names or ids').description(about);
    writes(command, 'updateGateway').action(async (texts: string[], flags: WriteFlags) => {
      const ids = [...new Set(await resolveIds(await session.api(), kinds.gateway, texts))];
      if (ids.length < 2) return change(session, ids[0] ?? '', flags, { intent });
      const all: BatchWrite[] = [];
      for (const id of ids) all.push(await intentWrite(session, id, intent));
      return writeTogether(session, flags, all, `Set the intent of ${ids.length} gateways to ${intent}.`);
    });
  }
}

function addActions(group: Command, session: Session): void {
  const actions = [
    ['enable-relay', 'enableRelay', 'let the gateway relay'],
    ['disable-relay', 'disableRelay', 'stop the gateway from relaying'],
    ['rekey', 'rekeyGateway', 'renew token and identity; the old agent works until the new one has enrolled'],
  ] as const;
  for (const [verb, operation, about] of actions) {
    const command = group.command(verb).argument('<gateway>', 'name or id').description(about);
    writes(command, operation).action(async (text: string, flags: WriteFlags) => {
      const id = await resolveId(await session.api(), kinds.gateway, text);
      const answer = await session.write(operation, flags, { params: { id } });
      if (answer === undefined) return;
      showGateway(session, answer);
      if (operation === 'rekeyGateway') await sayHowToRun(session, answer.body);
    });
  }
  group
    .command('test')
    .argument('<gateway>', 'name or id')
    .description('check endpoint, agent, applied state and resources; exit code 1 when a check fails')
    .action(async (text: string) => testGateway(session, text));
}

/** Adds the programs of the gateway's host to help and completion. `bin/sally` starts these programs directly. */
function addAgentCommands(group: Command): void {
  group.commandsGroup('On the gateway’s host (type `sally gateway …`):');
  const agent = [
    ['run', 'run the gateway: sally gateway run --controller URL --token-file FILE'],
    ['status', 'show what runs on this host'],
    ['down', 'undo everything on this host'],
  ] as const;
  for (const [verb, about] of agent)
    group
      .command(verb)
      .description(about)
      .allowUnknownOption()
      .allowExcessArguments()
      .helpOption(false)
      .action(() => {
        throw usage(
          `The gateway’s agent is a separate program, which bin/sally starts`,
          `Type \`sally gateway ${verb}\` without other words in between.`,
        );
      });
}

async function read(session: Session, text: string): Promise<Answer<Gateway>> {
  const api = await session.api();
  return api.call('getGateway', { params: { id: await resolveId(api, kinds.gateway, text) } });
}

async function createGateway(session: Session, name: string, flags: GatewayFields & WriteFlags): Promise<void> {
  const { endpoint, description, masquerade, relayPorts, mtu, label, dnsServer, network } = flags;
  const body = {
    name,
    wireguardPort: flags.port ?? '51820',
    ...given({ endpoint, description, masquerade, relayPorts, mtu, labels: labelsOf(label) }),
    ...given({ dnsServers: dnsServersOf(dnsServer), network: clearable(network) }),
  };
  const answer = await session.write('createGateway', flags, { body });
  if (answer === undefined) return;
  showGateway(session, answer);
  await sayHowToRun(session, answer.body);
}

async function intentWrite(session: Session, id: string, intent: GatewayIntent): Promise<BatchWrite> {
  const { body, etag } = await read(session, id);
  const { name, wireguardPort } = body;
  return batchWrite('updateGateway', { id }, { body: { name, wireguardPort, intent }, ...given({ ifMatch: etag }) });
}

/** Reads, changes and writes a gateway. The write fails when the gateway changed in between. */
async function change(session: Session, text: string, flags: WriteFlags, changes: Changes): Promise<void> {
  const before = await read(session, text);
  const { id, name, wireguardPort } = before.body;
  const body = { name, wireguardPort, ...changes };
  const answer = await session.write('updateGateway', flags, { params: { id }, body, ifMatch: before.etag });
  if (answer !== undefined) showGateway(session, answer);
}

async function printToken(session: Session, text: string): Promise<void> {
  const api = await session.api();
  const params = { id: await resolveId(api, kinds.gateway, text) };
  session.show(await api.call('revealGatewayToken', { params }), ({ token }) => `${token}\n`);
}

async function testGateway(session: Session, text: string): Promise<void> {
  const api = await session.api();
  const id = await resolveId(api, kinds.gateway, text);
  const answer = await whileWaiting(session, `Testing gateway ${text}`, api.call('testGateway', { params: { id } }));
  session.show(answer, (result) => {
    const said = [result.details, result.error, result._error].filter((part) => part !== undefined);
    const lines = said.flatMap((part) => part.split('\n')).map((line) => `- ${clean(line)}\n`);
    return session.details([['Status', status(result.status)]]) + lines.join('');
  });
  const { status: outcome, error, _error } = answer.body;
  const well = (outcome === 'ONLINE' || outcome === 'MAINTENANCE') && error === undefined && _error === undefined;
  if (!well)
    throw new Failure(
      exitCodes.failed,
      `The test of gateway ${clean(text)} failed: ${clean(error ?? _error ?? outcome)}`,
    );
}

async function sayHowToRun(session: Session, gateway: Gateway): Promise<void> {
  if (session.json) return;
  const url = await controllerUrl(session);
  const file = `${gateway.name.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+/, '') || 'gateway'}.token`;
  // The host of a gateway that had a token before keeps its keys, so the script would not ask for the new one.
  const line = gateway.status === 'PENDING' ? await installLine(session, 'gateway') : null;
  if (line !== null) {
    const steps = ['', 'Next, on its host. This line installs it, and asks for its token:', `  ${line}`];
    return session.note([...steps, 'To see the token:', `  sally gateways token ${gateway.id}`].join('\n'));
  }
  session.note(
    [
      '',
      'Next: store its token in a file that only you can read, copy the file to the gateway’s host, and run there:',
      `  (umask 077; sally gateways token ${gateway.id} > ${file})`,
      `  sally gateway run --controller ${shellWord(url)} --token-file ${file}`,
    ].join('\n'),
  );
}
