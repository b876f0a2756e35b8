import { ok, problem, skipped, warning } from '../findings.ts';
import type { Check, ControllerAnswer, Finding, Place, Probe } from '../types.ts';
import { compareText } from '../versions.ts';

/** Checks of the way to the controller. */
export const networkChecks: readonly Check[] = [
  { id: 'dns', title: 'DNS', run: dns },
  { id: 'controller', title: 'Controller', run: controller },
  { id: 'certificate', title: 'Certificate', run: withAnswer(certificate) },
  { id: 'clock', title: 'Clock', run: withAnswer(clock) },
  { id: 'versions', title: 'Versions', run: withAnswer(versions) },
  { id: 'mtu', title: 'MTU', roles: ['gateway', 'device'], beforehand: true, run: mtu },
];

const unknown = 'the address of the controller is not known here: give --controller URL';

async function dns(probe: Probe, { controller: text }: Place): Promise<Finding> {
  const host = text === null ? null : URL.parse(text)?.hostname;
  if (host == null) return skipped(unknown);
  if (/^\[|^[\d.]+$/.test(host)) return ok(`${host} is an address`);
  const found = await probe.addresses(host).catch((error: NodeJS.ErrnoException) => error);
  if (!(found instanceof Error)) return ok(`${host} is ${found.join(', ')}`);
  const servers = (await probe.text('/etc/resolv.conf'))?.match(/^nameserver\s+\S+/gm) ?? [];
  if (servers.length === 0)
    return problem(`${host} cannot be resolved: /etc/resolv.conf names no server.`, 'Set up DNS on this host.');
  return problem(
    `${host} cannot be resolved (${found.code ?? found.message}).`,
    'Check the name, and whether the servers in /etc/resolv.conf answer.',
  );
}

async function controller(probe: Probe, { controller: url, caFile }: Place): Promise<Finding> {
  if (url === null) return skipped(unknown);
  try {
    const { status } = await probe.ask(url, caFile);
    if (status === 200) return ok(`${url} is ready`);
    return problem(
      `${url} answers with status ${status}.`,
      'Look into the log of the controller, or of the proxy in front of it.',
    );
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return problem(`${url} does not answer: ${message}.`, adviceOn(code));
  }
}

function adviceOn(code: string): string {
  if (code === 'ECONNREFUSED') return 'Start the controller, or check the port in the address.';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'Mend the name first; see DNS above.';
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return 'Give the certificate of the controller with --ca-file FILE, and check that it is for this name.';
  if (code.startsWith('ERR_SSL') || code === 'EPROTO')
    return 'Check that the address begins with https:// only when the controller speaks TLS.';
  return 'Check that a firewall between lets TCP to that port pass.';
}

/** Makes a check of what the controller answers. Without an answer, another check says why. */
function withAnswer(check: (answer: ControllerAnswer, probe: Probe) => Finding): Check['run'] {
  return async (probe, { controller: url, caFile }) => {
    const answer = url === null ? null : await probe.ask(url, caFile).catch(() => null);
    return answer === null ? skipped('the controller does not answer') : check(answer, probe);
  };
}

const dayMs = 86_400_000;

function certificate({ certificateEnds }: ControllerAnswer, probe: Probe): Finding {
  if (certificateEnds === null) return skipped('the connection has no TLS');
  const days = Math.floor((certificateEnds - probe.now()) / dayMs);
  const advice = 'Renew it. The controller reads new files when it starts.';
  if (days < 0) return problem(`The certificate of the controller ended ${-days} days ago.`, advice);
  if (days < 14) return warning(`The certificate of the controller ends in ${days} days.`, advice);
  return ok(`the certificate of the controller is good for ${days} days`);
}

function clock({ date }: ControllerAnswer, probe: Probe): Finding {
  const there = Date.parse(date ?? '');
  if (Number.isNaN(there)) return skipped('the controller tells no time');
  const ahead = Math.round((probe.now() - there) / 1000);
  // The header has whole seconds, and the answer takes a moment.
  if (Math.abs(ahead) <= 5) return ok('agrees with the controller');
  const text = `This clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} the one of the controller.`;
  const advice = 'Set the clock by NTP: timedatectl set-ntp true';
  return Math.abs(ahead) > 60 ? problem(`${text} Leases and time windows suffer.`, advice) : warning(text, advice);
}

function versions({ version }: ControllerAnswer, probe: Probe): Finding {
  if (version === null) return skipped('the controller tells no version');
  const order = compareText(probe.version, version);
  if (order === 0) return ok(`this host and the controller have ${version}`);
  const text = `This host has ${probe.version}, the controller ${version}.`;
  return order > 0
    ? warning(text, 'Upgrade the controller first, then the other hosts.')
    : warning(text, 'Upgrade this host.');
}

/** Smallest MTU of IPv6, and what WireGuard puts around a packet over IPv6. */
const tunnelMtu = 1280;
const overhead = 80;

async function mtu(probe: Probe): Promise<Finding> {
  const uplink = await probe.uplink();
  if (uplink === null)
    return problem(
      'There is no default route, so nothing beyond the own network can be reached.',
      'Connect this host to a network.',
    );
  if (uplink.mtu >= tunnelMtu + overhead) return ok(`${uplink.name} carries ${uplink.mtu} bytes`);
  return warning(
    `${uplink.name} carries ${uplink.mtu} bytes. Packets of the tunnel need up to ${tunnelMtu + overhead}.`,
    'Lower the MTU of the tenant, or of this gateway.',
  );
}
