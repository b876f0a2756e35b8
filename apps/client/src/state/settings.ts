import type { StateDirectory } from '@sallyport/agent-runtime';
import type { Settings } from '../arguments.ts';
import { type DnsChoice, dnsChoices } from '../names/host-dns.ts';

/** Settings of a client from earlier commands; later commands can change them. */
export interface KnownSettings {
  /** As typed. */
  readonly controller: string;
  readonly insecure: boolean;
  /** Certificates to trust in addition to those of the system. */
  readonly caFile: string | null;
  readonly interface: string;
  readonly wireguard: 'auto' | 'kernel' | 'userspace';
  readonly dns: DnsChoice;
}

/** Null when nothing is stored, or the file is damaged. */
export async function readSettings(directory: StateDirectory): Promise<KnownSettings | null> {
  return parseSettings(await directory.read('client.json').catch(() => null));
}

/** Parses stored settings; null when the text is not valid. */
export function parseSettings(text: string | null): KnownSettings | null {
  try {
    const {
      version,
      controller,
      insecure,
      caFile = null,
      interface: name,
      wireguard,
      dns = 'auto',
    } = JSON.parse(text ?? 'null');
    const whole =
      version === 1 &&
      typeof controller === 'string' &&
      typeof insecure === 'boolean' &&
      (caFile === null || typeof caFile === 'string') &&
      typeof name === 'string' &&
      ['auto', 'kernel', 'userspace'].includes(wireguard) &&
      dnsChoices.includes(dns);
    return whole ? { controller, insecure, caFile, interface: name, wireguard, dns } : null;
  } catch {
    return null;
  }
}

/** Stores settings in the state directory. */
export function writeSettings(directory: StateDirectory, settings: KnownSettings): Promise<void> {
  return directory.write('client.json', `${JSON.stringify({ version: 1, ...settings })}\n`);
}

/**
 * Merges new settings over the stored ones. `--insecure` and `--ca-file` apply to the controller for which they were
 * given. Null without a controller.
 */
export function mergeSettings(given: Settings, known: KnownSettings | null, name: string): KnownSettings | null {
  const controller = given.controller ?? known?.controller ?? null;
  if (controller === null) return null;
  const same = controller === known?.controller;
  return {
    controller,
    insecure: given.insecure ?? (same && known.insecure),
    caFile: given.caFile ?? (same ? known.caFile : null),
    interface: given.interface ?? known?.interface ?? name,
    wireguard: given.wireguard ?? known?.wireguard ?? 'auto',
    dns: given.dns ?? known?.dns ?? 'auto',
  };
}
