import { Device, DeviceSummary } from '@sallyport/contract';
import type { DeviceRow } from './store.ts';
import { type DeviceFacts, deviceView, lastSeen, statusOf } from './views.ts';

/** Devices whose texts are kept. A text has about 600 bytes. */
const keptDevices = 20_000;

interface Entry {
  readonly row: DeviceRow;
  readonly owner: DeviceFacts['owner'];
  readonly entryGateway: string | undefined;
  /** What the agents say. */
  readonly told: readonly unknown[];
  whole: string | null;
  summary: string | null;
}

/**
 * JSON texts of devices in lists, made again only when something that they show changes: checking and serialising an
 * object costs far more than comparing what it is made from.
 */
export class DeviceTexts {
  readonly #entries = new Map<string, Entry>();

  /** Returns the text of a device, whole or as a table shows it. */
  of(row: DeviceRow, facts: DeviceFacts, summary: boolean): string {
    const entry = this.#entryOf(row, facts);
    if (summary) {
      entry.summary ??= JSON.stringify(DeviceSummary.parse(deviceView(row, facts)));
      return entry.summary;
    }
    entry.whole ??= JSON.stringify(Device.parse(deviceView(row, facts)));
    return entry.whole;
  }

  #entryOf(row: DeviceRow, facts: DeviceFacts): Entry {
    const { owner, entryGateway } = facts;
    const told = toldOf(row, facts);
    const known = this.#entries.get(row.id);
    this.#entries.delete(row.id);
    const same = known !== undefined && sameStored(known, row, facts) && alike(known.told, told);
    const texts = same ? textsOf(known) : noTexts;
    const entry = same && known.row === row ? known : { row, owner, entryGateway, told, ...texts };
    this.#entries.set(row.id, entry);
    const oldest = this.#entries.size > keptDevices ? this.#entries.keys().next().value : undefined;
    if (oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }
}

const noTexts = { whole: null, summary: null };
const textsOf = ({ whole, summary }: Pick<Entry, 'whole' | 'summary'>) => ({ whole, summary });

const alike = (a: readonly unknown[], b: readonly unknown[]): boolean => a.every((value, i) => value === b[i]);

/** Returns whether what the database says is the same. Pages that are kept hold the same objects. */
function sameStored(known: Entry, row: DeviceRow, { owner, entryGateway }: DeviceFacts): boolean {
  if (known.entryGateway !== entryGateway) return false;
  if (known.row === row && known.owner === owner) return true;
  return alike(storedOf(known.row, known.owner), storedOf(row, owner));
}

/** Everything that `deviceView` reads of the database, always as many values. */
function storedOf(row: DeviceRow, owner: DeviceFacts['owner']): readonly unknown[] {
  return [
    row.version,
    row.app_version,
    row.posture,
    row.reported_posture,
    row.entry_gateway_id,
    row.user_id,
    row.updated_at,
    row.name,
    row.overlay_v4,
    row.overlay_v6,
    row.identity_key,
    row.public_key,
    row.labels,
    owner?.lastConnection,
    owner?.email,
    owner?.firstName,
    owner?.lastName,
  ];
}

/** Everything that `deviceView` reads of the agents, always as many values. */
function toldOf(row: DeviceRow, facts: DeviceFacts): readonly unknown[] {
  const { presence, location } = facts;
  const { connected, agent } = presence;
  return [statusOf(row, facts), lastSeen(row, facts), connected, agent, location.sourceIp, location.country];
}
