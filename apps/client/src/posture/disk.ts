/** A block device and the devices below it, as sysfs shows them. */
export interface BlockDevice {
  readonly name: string;
  /** UUID of a device-mapper device, else null. */
  readonly uuid: string | null;
  /** Devices that it is built from, such as those of a logical volume or a RAID. A disk or a partition has none. */
  readonly slaves: readonly BlockDevice[];
}

/** The root file system in mountinfo (proc_pid_mountinfo(5)). */
export interface RootMount {
  /** `8:2`; null for a file system without its own device number, such as btrfs. */
  readonly device: string | null;
  /** `/dev/sda2`, or a word that is no device. */
  readonly source: string;
}

/** Returns the topmost mount at `/`; null when the text has none. */
export function rootMount(mountinfo: string): RootMount | null {
  let found: RootMount | null = null;
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [, , device = '', , point] = left.split(' ');
    if (point !== '/') continue;
    found = { device: device.startsWith('0:') ? null : device, source: right.split(' ')[1] ?? '' };
  }
  return found;
}

/** Returns whether all data written to the device is encrypted before it reaches a disk: dm-crypt marks its UUID. */
export function isEncrypted(device: BlockDevice): boolean {
  if (device.uuid?.startsWith('CRYPT-') === true) return true;
  return device.slaves.length > 0 && device.slaves.every(isEncrypted);
}
