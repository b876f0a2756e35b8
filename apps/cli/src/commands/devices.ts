import type { Command } from 'commander';
import { listAll, type PageFlags } from '../lists.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { addDeviceAdd } from './device-add.ts';
import { addDeviceConfig } from './device-config.ts';
import { addDeviceUpdate } from './device-update.ts';
import { deviceColumns, showDevice } from './device-view.ts';
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
  const deactivate = group
    .command('deactivate')
    .argument('<device>', 'name or id')
    .description('end a device’s access at once, and keep its data');
  writes(deactivate, 'deactivateDevice').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.device, text);
    const answer = await session.write('deactivateDevice', flags, { params: { id } });
    if (answer !== undefined) showDevice(session, answer);
  });
  const reactivate = group
    .command('reactivate')
    .argument('<device>', 'name or id')
    .description('restore the access of a deactivated device');
  writes(reactivate, 'reactivateDevice').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.device, text);
    const answer = await session.write('reactivateDevice', flags, { params: { id } });
    if (answer !== undefined) showDevice(session, answer);
  });
  const remove = group.command('delete').argument('<device>', 'name or id').description('delete a device');
  writes(remove, 'deleteDevice').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.device, text);
    const answer = await session.write('deleteDevice', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted device ${clean(text)}.\n`);
  });
}
