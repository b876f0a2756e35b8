import { resolve } from 'node:path';
import { ApiKey, IssuedLink } from '@sallyport/contract';
import type { Command } from 'commander';
import { exitCodes, Failure, usage } from '../failure.ts';
import { type HttpAnswer, send } from '../http.ts';
import { isId } from '../ids.ts';
import { problemFailure } from '../problem.ts';
import type { Session } from '../session.ts';
import { clean, hintFor, moment } from '../text.ts';
import { keyRoles, showNewKey } from './keys.ts';
import { choice } from './options.ts';

interface Tenant {
  readonly id: string;
  readonly name: string;
}

/** Adds `sally tenants …`. Only the operator can run these, over the socket in the controller's data directory. */
export function addTenants(program: Command, session: Session): void {
  const group = program
    .command('tenants')
    .alias('tenant')
    .description('tenants, on the controller’s host')
    .addHelpText('after', '\nThese commands use operator.sock in --data-dir (SALLYPORT_DATA_DIR, default ./data).');
  group
    .command('list')
    .description('list tenants')
    .action(async () => {
      const answer = await ask(session, 'GET', '/tenants');
      if (session.json) return session.out(`${answer.text}\n`);
      const tenants = readTenants(answer);
      session.out(
        tenants.length === 0
          ? 'There are no tenants yet. Create one: sally tenants create NAME\n'
          : session.table(
              [
                { heading: 'NAME', cell: (tenant) => tenant.name },
                { heading: 'ID', cell: (tenant) => tenant.id },
              ],
              tenants,
            ),
      );
    });
  group
    .command('create')
    .argument('<name>')
    .description('create a tenant with its first API key, which is shown once')
    .option('--key-only', 'print the key and nothing else')
    .action(async (name: string, flags: { keyOnly?: boolean }) => {
      const answer = await ask(session, 'POST', '/tenants', { name });
      const { tenant, apiKey } = readCreated(answer);
      if (!session.json && flags.keyOnly !== true)
        session.out(`Created tenant ${clean(tenant.name)} (${tenant.id}).\n`);
      showNewKey(session, apiKey, flags.keyOnly === true, () => session.out(`${answer.text}\n`));
    });
  group
    .command('key')
    .argument('<tenant>', 'name or id')
    .argument('<name>', 'of the new key')
    .description('create another API key for a tenant whose keys are lost')
    .addOption(choice('--role <role>', 'role of the key', keyRoles).default('OWNER'))
    .option('--key-only', 'print the key and nothing else')
    .action(async (text: string, name: string, flags: { role: string; keyOnly?: boolean }) => {
      const id = await tenantId(session, text);
      const answer = await ask(session, 'POST', `/tenants/${id}/api-keys`, { name, role: flags.role });
      showNewKey(session, readKey(answer), flags.keyOnly === true, () => session.out(`${answer.text}\n`));
    });
  addSignInLink(group, session);
}

/** Adds `sally tenants sign-in-link`. */
function addSignInLink(group: Command, session: Session): void {
  group
    .command('sign-in-link')
    .argument('<tenant>', 'name or id')
    .argument('<email>', 'e-mail address of a user of the tenant, also of an owner')
    .description('reset the sign-in of a user who cannot sign in, and print a link for a new one')
    .action(async (text: string, email: string) => {
      const id = await tenantId(session, text);
      const answer = await ask(session, 'POST', `/tenants/${id}/sign-in-link`, { email });
      if (session.json) return session.out(`${answer.text}\n`);
      const link = IssuedLink.safeParse(json(answer)).data;
      if (link === undefined) throw unexpected();
      session.out(`Link for ${clean(email)}, valid once until ${moment(link.expiresAt)}:\n${clean(link.url)}\n`);
    });
}

async function ask(session: Session, method: string, path: string, body?: unknown): Promise<HttpAnswer> {
  const folder = session.flags.dataDir ?? (session.io.env.SALLYPORT_DATA_DIR || './data');
  const socketPath = resolve(folder, 'operator.sock');
  const answer = await send({ target: { kind: 'socket', socketPath, path }, method, body });
  if (answer.status < 200 || answer.status > 299) throw problemFailure(answer, socketPath, session.nameField);
  return answer;
}

async function tenantId(session: Session, text: string): Promise<string> {
  if (isId(text)) return text;
  const all = readTenants(await ask(session, 'GET', '/tenants'));
  const found = all.filter(({ name }) => name === text);
  const [first, second] = found;
  if (first === undefined)
    throw new Failure(exitCodes.notFound, `There is no tenant called ${JSON.stringify(text)}`, {
      hint: hintFor(
        text,
        all.map(({ name }) => name),
        'List all with: sally tenants list',
      ),
    });
  if (second === undefined) return first.id;
  throw usage(
    `${found.length} tenants are called ${JSON.stringify(text)}:\n${found.map(({ id }) => `  ${id}`).join('\n')}`,
    'Give the id instead of the name.',
  );
}

function readTenants(answer: HttpAnswer): Tenant[] {
  const list = json(answer);
  if (!Array.isArray(list)) throw unexpected();
  return list.map(readTenant);
}

function readCreated(answer: HttpAnswer): { tenant: Tenant; apiKey: ApiKey } {
  const created = json(answer);
  if (typeof created !== 'object' || created === null || !('tenant' in created) || !('apiKey' in created))
    throw unexpected();
  const apiKey = ApiKey.safeParse(created.apiKey).data;
  if (apiKey === undefined) throw unexpected();
  return { tenant: readTenant(created.tenant), apiKey };
}

function readTenant(value: unknown): Tenant {
  const { id, name } = (value ?? {}) as Partial<Record<keyof Tenant, unknown>>;
  if (typeof id !== 'string' || typeof name !== 'string') throw unexpected();
  return { id, name };
}

function readKey(answer: HttpAnswer): ApiKey {
  const apiKey = ApiKey.safeParse(json(answer)).data;
  if (apiKey === undefined) throw unexpected();
  return apiKey;
}

function json(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    throw unexpected();
  }
}

const unexpected = (): Failure =>
  new Failure(exitCodes.failed, 'The operator socket gave an unexpected answer', {
    hint: 'Use the same version of controller and command line.',
  });
