import type { Command } from 'commander';
import type { Client } from '../client.ts';
import { usage } from '../failure.ts';
import { type Kind, kinds, resolveIds } from '../resolve.ts';
import { repeated } from './options.ts';
import type { Policy } from './policy-view.ts';

/** The lists of a policy that hold objects, with their option names. */
const lists = [
  { field: 'users', all: 'allUsers', word: 'user', kind: kinds.user },
  { field: 'groups', all: 'allGroups', word: 'group', kind: kinds.group },
  { field: 'devices', all: 'allDevices', word: 'device', kind: kinds.device },
  { field: 'resources', all: 'allResources', word: 'resource', kind: kinds.resource },
  { field: 'gateways', all: undefined, word: 'gateway', kind: kinds.gateway },
] as const satisfies readonly {
  field: keyof Policy;
  all: keyof Policy | undefined;
  word: string;
  kind: Kind;
}[];

type Word = (typeof lists)[number]['word'];
type Field = (typeof lists)[number]['field'];
type AllFlag = 'allUsers' | 'allGroups' | 'allDevices' | 'allResources';

/** Values of the options that `subjectOptions` adds. */
export type SubjectFlags = {
  readonly [K in Word | `add${Capitalize<Word>}` | `remove${Capitalize<Word>}` | 'source']?: string[];
} & { readonly [K in AllFlag]?: boolean };

/** Fields of a policy's body that name its subjects and resources. */
export type Subjects = { [K in Field | 'sourceIps']?: string[] } & { [K in AllFlag]?: boolean };

/** Adds the options that name subjects and resources of a policy. */
export function subjectOptions(command: Command, { update = false } = {}): Command {
  for (const { word, all, field } of lists) {
    command.addOption(repeated(`--${word} <${word}>`, update ? `replace all its ${field}` : `name or id of a ${word}`));
    if (update) {
      command.addOption(repeated(`--add-${word} <${word}>`, 'add one'));
      command.addOption(repeated(`--remove-${word} <${word}>`, 'remove one'));
    }
    if (all !== undefined) command.option(`--all-${field}`, `every ${word}`);
    if (all !== undefined && update) command.option(`--no-all-${field}`, `only the named ${field}`);
  }
  return command.addOption(repeated('--source <address>', 'IP address or CIDR range behind --gateway, for SITETOSITE'));
}

/** Returns the fields that the flags change, with names resolved to ids. `before` is the stored policy of an update. */
export async function subjects(api: Client, flags: SubjectFlags, before: Policy | undefined): Promise<Subjects> {
  const changed: Subjects = {};
  for (const { field, all, word, kind } of lists) {
    const add = flags[`add${capital(word)}`];
    const remove = flags[`remove${capital(word)}`];
    const start = flags[word];
    if (start !== undefined || add !== undefined || remove !== undefined) {
      const present = before?.[field]?.map(({ id }) => id) ?? [];
      const ids = new Set(start === undefined ? present : await resolveIds(api, kind, start));
      for (const id of await resolveIds(api, kind, add ?? [])) ids.add(id);
      for (const id of await resolveIds(api, kind, remove ?? []))
        if (!ids.delete(id)) throw usage(`The policy does not name this ${word}: ${id}`);
      changed[field] = [...ids];
    }
    if (all !== undefined && flags[all] !== undefined) changed[all] = flags[all];
  }
  if (flags.source !== undefined) changed.sourceIps = flags.source;
  return changed;
}

function capital<W extends Word>(word: W): Capitalize<W> {
  return (word.slice(0, 1).toUpperCase() + word.slice(1)) as Capitalize<W>;
}
