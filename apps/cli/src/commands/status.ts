import type { Command } from 'commander';
import { exitCodes, Failure } from '../failure.ts';
import { send } from '../http.ts';
import type { Session } from '../session.ts';
import { gatewayColumns } from './gateway-view.ts';

/** `sally status` */
export function addStatus(program: Command, session: Session): void {
  program
    .command('status')
    .description('show whether the controller is ready, the gateways, and how much there is of everything')
    .action(async () => showStatus(session));
}

async function showStatus(session: Session): Promise<void> {
  const connection = await session.connection();
  const ready =
    (await send({ target: { kind: 'url', url: `${connection.url}/readyz` }, method: 'GET' })).status === 200;
  const tenant = connection.apiKey === undefined ? undefined : await readTenant(session);
  if (session.json) session.out(`${JSON.stringify({ url: connection.url, ready, ...tenant })}\n`);
  else {
    session.out(session.details([['Controller', `${connection.url}: ${ready ? 'ready' : 'not ready'}`]]));
    if (tenant === undefined) session.note('No API key is known, so this is all. Sign in: sally login');
    else session.out(renderTenant(session, tenant));
  }
  if (!ready) throw new Failure(exitCodes.unreachable, 'The controller is not ready', { hint: 'Its log says why.' });
}

async function readTenant(session: Session) {
  const api = await session.api();
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
