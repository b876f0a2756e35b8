import { z } from 'zod';
import { name, pageQuery, paginated } from './common.ts';
import { Device, wireguardPublicKey } from './devices.ts';

/** A device as its owner sees it. */
export const MyDevice = Device.omit({ user: true, hardwareId: true, posture: true, paths: true }).meta({
  id: 'MyDevice',
});
export type MyDevice = z.infer<typeof MyDevice>;

/** A page of a person's own devices. */
export const MyDevicePage = paginated(MyDevice).meta({ id: 'MyDevicePage' });

const { limit, offset } = pageQuery([]);

/** Query of the list of a person's own devices. */
export const myDeviceQuery = z.strictObject({ limit, offset });

/** Request body with which people add a device of their own. */
export const AddMyDevice = z.strictObject({ name, publicKey: wireguardPublicKey }).meta({ id: 'AddMyDevice' });

/** Request body with which people rename a device of their own. */
export const RenameMyDevice = z.strictObject({ name }).meta({ id: 'RenameMyDevice' });
