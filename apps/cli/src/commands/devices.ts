import type { Command } from 'commander';
import { batchWrite, writeTogether } from '../batch.ts';
import { listAll, type PageFlags } from '../lists.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { addDeviceAdd } from './device-add.ts';
import { addDeviceConfig } from './device-config.ts';
import { addDeviceUpdate } from './device-update.ts';
import { deviceColumns, showDevice } from './device-view.ts';
import { addLabelCommand, labelled } from './labels.ts';
import { pages, writes } from './options.ts';

/** Adds `sally devices …`. */
export function addDevices(program: Command, session: Session): void {
  const group = program
    .command('devices')
    .alias('device')
    .description('devices of users, and their WireGuard configurations');
  addDeviceAdd(group, session);
  addDeviceConfig(group, session);
  addReads(group, session);
  addDeviceUpdate(group, session);
  addWrites(group, session);
  addLabelCommand(group, session, labelled.devices);
}

function addReads(group: Command, session: Session): void {
  pages(group.command('list').description('list devices')).action(async (flags: PageFlags) => {
    const answer = await listAll(await session.api(), 'listDevices', flags);
    session.show(answer, ({ data }) =>
      data.length === 0 ? 'There are no devices. Add one: sally device add NAME\n' : session.table(deviceColumns, data),
    );
  });
  group
    .command('get')
    .argument('<device>', 'name or id')
    .description('show a device')
    .action(async (text: string) => {
      const api = await session.api();
      showDevice(session, await api.call('getDevice', { params: { id: await resolveId(api, kinds.device, text) } }));
    });
}

function addWrites(group: Command, session: Session): void {
  const verbs = [
    ['deactivate', 'deactivateDevice', 'end the access of devices at once, and keep their data', 'Deactivated'],
    ['reactivate', 'reactivateDevice', 'restore the access of deactivated devices', 'Reactivated'],
    ['delete', 'deleteDevice', 'delete devices; try --dry-run first', 'Deleted'],
  ] as const;
  for (const [verb, operation, about, said] of verbs) {
    const command = group.command(verb).argument('<devices...>', 'names or ids').description(about);
    writes(command, operation).action(async (texts: string[], flags: WriteFlags) => {
      const ids = [...new Set(await resolveIds(await session.api(), kinds.device, texts))];
      const [id = ''] = ids;
      if (ids.length > 1) {
        const all = ids.map((one) => batchWrite(operation, { id: one }));
        return writeTogether(session, flags, all, `${said} ${ids.length} devices.`);
      }
      if (operation !== 'deleteDevice') {
        const answer = await session.write(operation, flags, { params: { id } });
        return answer === undefined ? undefined : showDevice(session, answer);
      }
      const answer = await session.write(operation, flags, { params: { id } });
      if (answer !== undefined) session.show(answer, () => `Deleted device ${clean(texts[0] ?? '')}.\n`);
    });
  }
}
