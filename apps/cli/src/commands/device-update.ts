import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { showDevice } from './device-view.ts';
import { clearable, given, labelOption, labelsOf, pairs, repeated, scalar, writes } from './options.ts';

interface UpdateFlags {
  readonly name?: string;
  readonly owner?: string;
  readonly posture?: string[];
  readonly appVersion?: string;
  readonly entryGateway?: string;
  readonly label?: string[];
}

const EXAMPLES = `
Examples:
  sally devices update anna-laptop --owner anna@example.com
  sally devices update anna-laptop --posture diskEncrypted=true --posture os=linux`;

/** Adds `sally devices update`. */
export function addDeviceUpdate(group: Command, session: Session): void {
  const update = group
    .command('update')
    .argument('<device>', 'name or id')
    .description('change the given fields and keep the others; empty text clears a field')
    .option('--name <name>')
    .option('--owner <user>', 'owner, by e-mail address or id; empty: none')
    .addOption(repeated('--posture <key=value>', 'posture.KEY of admission rules; KEY= removes it'))
    .option('--app-version <text>', 'device.appVersion of admission rules')
    .option('--entry-gateway <gateway>', 'plain devices: relaying gateway that they connect through; empty: none')
    .addOption(labelOption())
    .addHelpText('after', EXAMPLES);
  writes(update, 'updateDevice').action(async (text: string, flags: UpdateFlags & WriteFlags) =>
    updateDevice(session, text, flags),
  );
}

async function updateDevice(session: Session, text: string, flags: UpdateFlags & WriteFlags): Promise<void> {
  const { name, owner, posture, appVersion, entryGateway, label } = flags;
  if ([name, owner, posture, appVersion, entryGateway, label].every((value) => value === undefined))
    throw usage('No change is named', 'See: sally devices update --help');
  const api = await session.api();
  const id = await resolveId(api, kinds.device, text);
  const user = owner ? await resolveId(api, kinds.user, owner) : clearable(owner);
  const entry = entryGateway ? await resolveId(api, kinds.gateway, entryGateway) : clearable(entryGateway);
  const before = await api.call('getDevice', { params: { id } });
  const facts =
    posture === undefined ? undefined : pairs<Fact>('--posture', posture, plain(before.body.posture), scalar);
  const own = { posture: facts, appVersion: clearable(appVersion), labels: labelsOf(label) };
  const changes = given({ user, entryGateway: entry, ...own });
  const body = { name: name ?? before.body.name, ...changes };
  const answer = await session.write('updateDevice', flags, { params: { id }, body, ifMatch: before.etag });
  if (answer !== undefined) showDevice(session, answer);
}

type Fact = string | number | boolean | null;

/** Returns the facts that a write accepts; other fields of the answer are not sent back. */
function plain(posture: Readonly<Record<string, unknown>> = {}): Record<string, Fact> {
  const facts = Object.entries(posture).filter(
    (entry): entry is [string, Fact] => entry[1] === null || ['string', 'number', 'boolean'].includes(typeof entry[1]),
  );
  return Object.fromEntries(facts);
}
