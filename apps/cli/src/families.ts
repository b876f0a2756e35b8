import type { Command } from 'commander';
import type { Session } from './session.ts';

/** Commands that one module adds. Their descriptions are here, so that the help does not load the module. */
export interface Family {
  readonly group: string;
  readonly commands: readonly { readonly name: string; readonly alias?: string; readonly about: string }[];
  load(): Promise<AddFamily>;
}

/** Adds the commands of one family. */
export type AddFamily = (program: Command, session: Session) => void;

/** Every command of the first level, in the order of the help. */
export const families: readonly Family[] = [
  {
    group: 'Network:',
    commands: [{ name: 'gateways', alias: 'gateway', about: 'gateways, their settings and their intended state' }],
    load: async () => (await import('./commands/gateways.ts')).addGateways,
  },
  {
    group: 'Network:',
    commands: [{ name: 'resources', alias: 'resource', about: 'destinations that devices reach through gateways' }],
    load: async () => (await import('./commands/resources.ts')).addResources,
  },
  {
    group: 'Network:',
    commands: [{ name: 'protocols', alias: 'protocol', about: 'named sets of ports of resources' }],
    load: async () => (await import('./commands/protocols.ts')).addProtocols,
  },
  {
    group: 'Network:',
    commands: [{ name: 'addresses', alias: 'address', about: 'addresses of resources' }],
    load: async () => (await import('./commands/addresses.ts')).addAddresses,
  },
  {
    group: 'Access:',
    commands: [{ name: 'users', alias: 'user', about: 'users, who own devices' }],
    load: async () => (await import('./commands/users.ts')).addUsers,
  },
  {
    group: 'Access:',
    commands: [{ name: 'groups', alias: 'group', about: 'groups of users, for policies' }],
    load: async () => (await import('./commands/groups.ts')).addGroups,
  },
  {
    group: 'Access:',
    commands: [{ name: 'roles', alias: 'role', about: 'what administrators can manage; roles are built in' }],
    load: async () => (await import('./commands/roles.ts')).addRoles,
  },
  {
    group: 'Access:',
    commands: [{ name: 'devices', alias: 'device', about: 'devices of users, and their WireGuard configurations' }],
    load: async () => (await import('./commands/devices.ts')).addDevices,
  },
  {
    group: 'Access:',
    commands: [
      { name: 'enrolment-keys', alias: 'enrolment-key', about: 'keys with which a device enrols; each works once' },
    ],
    load: async () => (await import('./commands/enrolment-keys.ts')).addEnrolmentKeys,
  },
  {
    group: 'Access:',
    commands: [
      {
        name: 'policies',
        alias: 'policy',
        about: 'who may reach what: the first match from the top decides; without a match, access is denied',
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
    commands: [{ name: 'access', about: 'check why access is allowed or denied, and list who can reach what' }],
    load: async () => (await import('./commands/access.ts')).addAccess,
  },
  {
    group: 'This host as a device:',
    commands: [{ name: 'status', about: 'show the status of this host’s device, then of the controller' }],
    load: async () => (await import('./commands/status.ts')).addStatus,
  },
  {
    group: 'This host as a device:',
    commands: [
      { name: 'up', about: 'connect this host as a device' },
      { name: 'down', about: 'disconnect this host, and undo everything' },
      { name: 'ping', about: 'ping a resource, a gateway or an address through the tunnel' },
      { name: 'dns', about: 'explain how a host name resolves on this host' },
      { name: 'netcheck', about: 'check what the network around this host lets through' },
    ],
    load: async () => (await import('./commands/client.ts')).addClient,
  },
  {
    group: 'Administration:',
    commands: [
      { name: 'login', about: 'sign in with the browser or an API key, and store the result for this user' },
      { name: 'logout', about: 'end the session, and forget the stored address and API key' },
    ],
    load: async () => (await import('./commands/login.ts')).addLogin,
  },
  {
    group: 'Administration:',
    commands: [
      { name: 'account', about: 'your own account, if you signed in as a person' },
      { name: 'sessions', alias: 'session', about: 'where you are signed in' },
      { name: 'methods', alias: 'method', about: 'your sign-in methods' },
    ],
    load: async () => (await import('./commands/account.ts')).addAccount,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'providers', alias: 'provider', about: 'OpenID Connect providers that people sign in through' }],
    load: async () => (await import('./commands/providers.ts')).addProviders,
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
        about: 'write the declared state of this tenant to a file, without devices and secrets; with --json as JSON',
      },
      { name: 'apply', about: 'bring this tenant to the state that a file declares: plan, confirm, carry out' },
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
    commands: [{ name: 'changes', about: 'follow changes as they happen' }],
    load: async () => (await import('./commands/changes.ts')).addChanges,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'watch', about: 'print status, statistics and changes as they happen, at most once a second' }],
    load: async () => (await import('./commands/watch.ts')).addWatch,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'settings', about: 'settings of this tenant' }],
    load: async () => (await import('./commands/tenant-settings.ts')).addSettings,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'tenants', alias: 'tenant', about: 'tenants, on the controller’s host' }],
    load: async () => (await import('./commands/tenants.ts')).addTenants,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'controller', about: 'run the controller, on its host' }],
    load: async () => (await import('./commands/controller.ts')).addController,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'operator', about: 'backups, keys and replicas, on the controller’s host' }],
    load: async () => (await import('./commands/operator.ts')).addOperator,
  },
  {
    group: 'Administration:',
    commands: [{ name: 'upgrade', about: 'upgrade the gateway and the device of this host, beside their tunnels' }],
    load: async () => (await import('./commands/upgrade.ts')).addUpgrade,
  },
  {
    group: 'Administration:',
    commands: [
      { name: 'doctor', about: 'check this host, and say what to do' },
      { name: 'uninstall', about: 'undo everything on this host, and remove the program' },
    ],
    load: async () => (await import('./commands/host.ts')).addHost,
  },
  {
    group: 'Administration:',
    commands: [
      {
        name: 'install-path',
        about: 'link this program into a folder of PATH, so that `sally` works everywhere',
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

/** Loads the families that the words of a command line can mean; all families when there are no words. */
export async function loadFamilies(words?: readonly string[]): Promise<ReadonlyMap<Family, AddFamily>> {
  const wanted = families.filter(
    ({ commands }) =>
      words === undefined || commands.some(({ name, alias = name }) => words.includes(name) || words.includes(alias)),
  );
  return new Map(await Promise.all(wanted.map(async (family) => [family, await family.load()] as const)));
}

/** Adds each family: complete when it is loaded, else only the names of its commands. */
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
