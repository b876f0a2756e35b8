/** A block device and what it lies on, as sysfs shows it. */
export interface BlockDevice {
  readonly name: string;
  /** Of a device-mapper device, else null. */
  readonly uuid: string | null;
  /** Devices that it is made from: of a logical volume, a RAID. None for a disk or a partition. */
  readonly slaves: readonly BlockDevice[];
}

/** Where the root file system lies, by mountinfo (proc_pid_mountinfo(5)). */
export interface RootMount {
  /** `8:2`; null: a file system without a device of its own number, such as btrfs. */
  readonly device: string | null;
  /** `/dev/sda2`, or a word that is no device. */
  readonly source: string;
}

/** The mount at `/` that is on top; null: the text has none. */
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

/** Whether everything that is written to the device is encrypted before it reaches a disk: dm-crypt says so in its UUID. */
export function isEncrypted(device: BlockDevice): boolean {
  if (device.uuid?.startsWith('CRYPT-') === true) return true;
  return device.slaves.length > 0 && device.slaves.every(isEncrypted);
}
