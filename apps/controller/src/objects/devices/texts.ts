import { Device, DeviceSummary } from '@sallyport/contract';
import type { DeviceRow } from './store.ts';
import { type DeviceFacts, deviceView, lastSeen, statusOf } from './views.ts';

/** Devices whose texts are kept. A text has about 600 bytes. */
const keptDevices = 20_000;

interface Entry {
  readonly shown: readonly unknown[];
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
    const shown = inputsOf(row, facts);
    const known = this.#entries.get(row.id);
    this.#entries.delete(row.id);
    const entry =
      known?.shown.every((value, i) => value === shown[i]) === true ? known : { shown, whole: null, summary: null };
    this.#entries.set(row.id, entry);
    const oldest = this.#entries.size > keptDevices ? this.#entries.keys().next().value : undefined;
    if (oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }
}

/** Everything that `deviceView` reads, always as many values. */
function inputsOf(row: DeviceRow, facts: DeviceFacts): readonly unknown[] {
  const { presence, owner, location, entryGateway } = facts;
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
    statusOf(row, facts),
    lastSeen(row, facts),
    presence.connected,
    presence.agent,
    location.sourceIp,
    location.country,
    entryGateway,
    owner?.lastConnection,
    owner?.email,
    owner?.firstName,
    owner?.lastName,
  ];
}
