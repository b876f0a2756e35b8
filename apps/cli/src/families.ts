import type { Command } from 'commander';
import type { Session } from './session.ts';

/** Commands that one module adds. They stand here with what the help says of them, so that it need not be loaded. */
export interface Family {
  readonly group: string;
  readonly commands: readonly { readonly name: string; readonly alias?: string; readonly about: string }[];
  load(): Promise<AddFamily>;
}

export type AddFamily = (program: Command, session: Session) => void;

/** Every command of the first level, in the order of the help. */
export const families: readonly Family[] = [
  {
    group: 'Network:',
    commands: [{ name: 'gateways', alias: 'gateway', about: 'gateways, and what an administrator wants of them' }],
    load: async () => (await import('./commands/gateways.ts')).addGateways,
  },
  {
    group: 'Network:',
    commands: [{ name: 'resources', alias: 'resource', about: 'what can be reached through gateways' }],
    load: async () => (await import('./commands/resources.ts')).addResources,
  },
  {
    group: 'Network:',
    commands: [{ name: 'protocols', alias: 'protocol', about: 'named sets of ports that resources are reached by' }],
    load: async () => (await import('./commands/protocols.ts')).addProtocols,
  },
  {
    group: 'Network:',
    commands: [{ name: 'addresses', alias: 'address', about: 'addresses of resources' }],
    load: async () => (await import('./commands/addresses.ts')).addAddresses,
  },
  {
    group: 'Access:',
    commands: [{ name: 'users', alias: 'user', about: 'people, who own devices' }],
    load: async () => (await import('./commands/users.ts')).addUsers,
  },
  {
    group: 'Access:',
    commands: [{ name: 'groups', alias: 'group', about: 'groups of users; policies name them' }],
    load: async () => (await import('./commands/groups.ts')).addGroups,
  },
  {
    group: 'Access:',
    commands: [{ name: 'roles', alias: 'role', about: 'what people may manage; roles are built in' }],
    load: async () => (await import('./commands/roles.ts')).addRoles,
  },
  {
    group: 'Access:',
    commands: [{ name: 'devices', alias: 'device', about: 'machines of users, and their WireGuard configurations' }],
    load: async () => (await import('./commands/devices.ts')).addDevices,
  },
  {
    group: 'Access:',
    commands: [
      { name: 'enrolment-keys', alias: 'enrolment-key', about: 'keys with which a device enrols itself, once each' },
    ],
    load: async () => (await import('./commands/enrolment-keys.ts')).addEnrolmentKeys,
  },
  {
    group: 'Access:',
    commands: [
      {
        name: 'policies',
        alias: 'policy',
        about: 'who may reach what: walked from the top, the first match decides, nothing matching means no',
      },
    ],
    load: async () => (await import('./commands/policies.ts')).addPolicies,
  },
  {
    group: 'Access:',
    commands: [{ name: 'rules', alias: 'rule', about: 'admission rules: conditions of allow policies' }],
    load: async () => (await import('./commands/rules.ts')).addRules,
  },
  {
    group: 'Access:',
    commands: [{ name: 'access', about: 'why something is allowed or not, and who can reach what' }],
    load: async () => (await import('./commands/access.ts')).addAccess,
  },
  {
    group: 'This host as a device:',
    commands: [
      { name: 'status', about: 'show how this host stands as a device, then the controller with what it has' },
    ],
    load: async () => (await import('./commands/status.ts')).addStatus,
  },
  {
    group: 'This host as a device:',
    commands: [
      { name: 'up', about: 'connect this host as a device' },
      { name: 'down', about: 'disconnect this host, and undo everything' },
      { name: 'ping', about: 'ask a resource, a gateway or an address through the tunnel' },
      { name: 'netcheck', about: 'say what the network around this host lets through' },
    ],
    load: async () => (await import('./commands/client.ts')).addClient,
  },
  {
    group: 'Administration:',
    commands: [
      { name: 'login', about: 'try an API key and store it with the address, for this user' },
      { name: 'logout', about: 'forget the stored address and API key' },
    ],
    load: async () => (await import('./commands/account.ts')).addAccount,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'keys', alias: 'key', about: 'API keys of this tenant' }],
    load: async () => (await import('./commands/keys.ts')).addKeys,
  },
  {
    group: 'Administration:',
    commands: [
      {
        name: 'export',
        about: 'write what is declared in this tenant as a file: no devices, no secrets; with --json as JSON',
      },
      { name: 'apply', about: 'bring this tenant to what a file declares: plan, ask, carry out' },
    ],
    load: async () => (await import('./commands/declared.ts')).addDeclared,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'audit', about: 'who changed what, and who signed in' }],
    load: async () => (await import('./commands/audit.ts')).addAudit,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'changes', about: 'what changes, as it changes' }],
    load: async () => (await import('./commands/changes.ts')).addChanges,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'settings', about: 'settings of this tenant' }],
    load: async () => (await import('./commands/tenant-settings.ts')).addSettings,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'tenants', alias: 'tenant', about: 'tenants, on the controller’s own host' }],
    load: async () => (await import('./commands/tenants.ts')).addTenants,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'operator', about: 'backups, on the controller’s own host' }],
    load: async () => (await import('./commands/operator.ts')).addOperator,
  },
  {
    group: 'Administration:',
    commands: [
      {
        name: 'install-path',
        about: 'put a link to this program into a folder of PATH, so that `sally` works everywhere',
      },
    ],
    load: async () => (await import('./commands/install-path.ts')).addInstallPath,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'completion', about: 'print the completion script of a shell' }],
    load: async () => (await import('./commands/completion.ts')).addCompletion,
  },
];

/** Loads the families that the words of a command line may mean; all of them when there are no words. */
export async function loadFamilies(words?: readonly string[]): Promise<ReadonlyMap<Family, AddFamily>> {
  const wanted = families.filter(
    ({ commands }) =>
      words === undefined || commands.some(({ name, alias = name }) => words.includes(name) || words.includes(alias)),
  );
  return new Map(await Promise.all(wanted.map(async (family) => [family, await family.load()] as const)));
}

/** Adds each family: whole where it is loaded, else its commands by name alone. */
export function addFamilies(program: Command, session: Session, loaded: ReadonlyMap<Family, AddFamily>): void {
  for (const family of families) {
    program.commandsGroup(family.group);
    const add = loaded.get(family);
    if (add !== undefined) add(program, session);
    else for (const { name, alias, about } of family.commands) addName(program, name, alias, about);
  }
}

function addName(program: Command, name: string, alias: string | undefined, about: string): void {
  const command = program.command(name).description(about);
  if (alias !== undefined) command.alias(alias);
}
