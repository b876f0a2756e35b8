import { type Me, type MyDevice, type MyResource, rightsOfRole } from '@sallyport/contract';
import { type ClientStatus, clientStateDir } from '@sallyport/contract/local';
import type { Command } from 'commander';
import type { Client, Connection } from '../client.ts';
import { askDevice } from '../device-socket.ts';
import { exitCodes, Failure, Finished } from '../failure.ts';
import { checkEncrypted, send } from '../http.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { moment } from '../text.ts';
import { isWell, renderDevice } from './device-status.ts';
import { gatewayColumns } from './gateway-view.ts';

/** Adds `sally status`. */
export function addStatus(program: Command, session: Session): void {
  program
    .command('status')
    .description('show the status of this host’s device, then of the controller')
    .option('--state-dir <dir>', `state directory of the device on this host (default ${clientStateDir})`)
    .action(async (flags: { stateDir?: string }) => showStatus(session, flags.stateDir));
}

/** Prints the device's status, and the controller's when this host is no device or it knows an API key or a session. */
async function showStatus(session: Session, named: string | undefined): Promise<void> {
  const here = await askDevice(named ?? session.io.clientStateDir ?? clientStateDir);
  if (here.kind === 'closed')
    session.note('This host is a device of another user. Run `sudo sally status` to see its status.');
  const device = here.kind === 'status' ? here.status : undefined;
  if (device !== undefined && !session.json) session.out(renderDevice(session, device));
  const connection = await session.connection();
  if (here.kind === 'down') sayDown(session, here.controller);
  else if (here.kind === 'none' && connection.assumed === true) sayNothingKnown(session, connection);
  if (here.kind === 'none' || isSignedIn(connection)) await showController(session, connection, device);
  else if (session.json) session.out(`${JSON.stringify({ device: device ?? null })}\n`);
  if (here.kind === 'down' || (device !== undefined && !isWell(device))) throw new Finished(exitCodes.failed);
}

function sayDown(session: Session, controller: string): void {
  session.note(`This device is disconnected from ${controller}. Connect it again: sudo sally up`);
}

function sayNothingKnown(session: Session, { url }: Connection): void {
  session.note(
    `This host is no device, and no controller is configured. Trying ${url}; set another with sally login or --url.`,
  );
}

async function showController(session: Session, connection: Connection, device: ClientStatus | undefined) {
  const { url, insecure, ca } = connection;
  const signedIn = isSignedIn(connection);
  if (signedIn) checkEncrypted(url, insecure);
  const ready = (await send({ target: { kind: 'url', url: `${url}/readyz`, ca }, method: 'GET' })).status === 200;
  const tenant = signedIn ? await readWhatIsSeen(session, connection) : undefined;
  if (session.json) session.out(`${JSON.stringify({ ...(device && { device }), url, ready, ...tenant })}\n`);
  else {
    if (device !== undefined) session.out('\n');
    session.out(session.details([['Controller', `${url}: ${ready ? 'ready' : 'not ready'}`]]));
    if (tenant === undefined)
      session.note('No API key and no session is stored, so no more is shown. Sign in: sally login');
    else session.out('me' in tenant ? renderMine(session, tenant) : renderTenant(session, tenant));
  }
  if (!ready)
    throw new Failure(exitCodes.unreachable, 'The controller is not ready', {
      hint: 'See the controller’s log for the reason.',
    });
}

const isSignedIn = ({ apiKey, sessionToken }: Connection): boolean => (apiKey ?? sessionToken) !== undefined;

/** Reads the tenant, or only what belongs to a person whose role sees no more. */
async function readWhatIsSeen(session: Session, { sessionToken }: Connection) {
  const api = await session.api();
  if (sessionToken === undefined) return readTenant(api);
  const { body: me } = await api.call('getMe');
  return rightsOfRole[me.role].includes('read') ? readTenant(api) : readMine(api, me);
}

/** The person, with the own devices and what they reach. */
async function readMine(api: Client, me: Me) {
  const page = { query: { limit: '100' } };
  const [devices, resources] = await Promise.all([api.call('listMyDevices', page), api.call('listMyResources', page)]);
  return { me, devices: devices.body.data, resources: resources.body.data };
}

type Mine = Awaited<ReturnType<typeof readMine>>;

function renderMine(session: Session, { me, devices, resources }: Mine): string {
  const who = session.details([['Signed in', `${me.email}, ${me.tenant.name}`]]);
  const own = devices.length === 0 ? 'You have no devices.\n' : session.table(ownDevices, devices);
  const reached = resources.length === 0 ? 'Your devices reach no resources now.\n' : session.table(reaches, resources);
  return `${who}\n${own}\n${reached}`;
}

const ownDevices: readonly Column<MyDevice>[] = [
  { heading: 'DEVICE', cell: ({ name }) => name },
  { heading: 'STATUS', cell: ({ status }) => status },
  { heading: 'LAST CONNECTION', cell: ({ lastConnection }) => (lastConnection ? moment(lastConnection) : 'never') },
];

const reaches: readonly Column<MyResource>[] = [
  { heading: 'RESOURCE', cell: ({ name }) => name },
  { heading: 'ADDRESSES', cell: ({ addresses }) => addresses.map(({ address }) => address).join(', ') },
  { heading: 'FROM', cell: ({ devices }) => devices.map(({ name }) => name).join(', ') },
];

async function readTenant(api: Client) {
  const one = { query: { limit: '1' } };
  const [gateways, resources, devices, policies] = await Promise.all([
    api.call('listGateways'),
    api.call('listResources', one),
    api.call('listDevices', one),
    api.call('listPolicies'),
  ]);
  const counts = {
    gateways: gateways.body.length,
    resources: resources.body.total,
    devices: devices.body.total,
    policies: policies.body.length,
  };
  return { counts, gateways: gateways.body.map(({ token: _, ...gateway }) => gateway) };
}

type Tenant = Awaited<ReturnType<typeof readTenant>>;

function renderTenant(session: Session, { counts, gateways }: Tenant): string {
  const fields = session.details([
    ['Gateways', String(counts.gateways)],
    ['Resources', String(counts.resources)],
    ['Devices', String(counts.devices)],
    ['Policies', String(counts.policies)],
  ]);
  const masked = gateways.map((gateway) => ({ ...gateway, token: '' }));
  const errors = gateways.filter(({ error }) => error !== undefined);
  const said = session.details(errors.map(({ name, error }) => [name, error]));
  return `${fields}${masked.length === 0 ? '' : `\n${session.table(gatewayColumns, masked)}`}${said === '' ? '' : `\n${said}`}`;
}
