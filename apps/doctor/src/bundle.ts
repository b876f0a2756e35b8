import { open } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { UsageError } from '@sallyport/agent-runtime/command-line';
import { type Report, reportText } from './examine.ts';
import { controllerSettings } from './place.ts';
import { redact, secretSettings, secretsIn } from './redact.ts';
import type { Place, Probe } from './types.ts';

/** What support needs beside the findings: how the host is made. Every text is redacted. */
const commands: readonly (readonly [string, ...string[]])[] = [
  ['uname', '-a'],
  ['ip', '-details', 'link'],
  ['ip', 'address'],
  ['ip', 'rule'],
  ['ip', 'route', 'show', 'table', 'all'],
  ['ip', '-6', 'rule'],
  ['ip', '-6', 'route', 'show', 'table', 'all'],
  ['nft', 'list', 'ruleset'],
  ['df', '-h'],
  ['systemctl', 'status', '--no-pager', 'sallyport-controller', 'sallyport-gateway', 'sallyport-client'],
  [
    'journalctl',
    '--no-pager',
    '-n',
    '500',
    '-u',
    'sallyport-controller',
    '-u',
    'sallyport-gateway',
    '-u',
    'sallyport-client',
  ],
];

const files = ['/etc/os-release', '/etc/resolv.conf', '/etc/sallyport/gateway.env', '/proc/modules'];

/** Longest part of the bundle. */
const mostText = 200_000;

/**
 * Writes the support bundle: a text file that people can read, with mode 0600. Whatever looks like a key, token or
 * password is left out, and everything that stands in a secret file of this host. Throws a UsageError when the file exists.
 */
export async function writeBundle(file: string, probe: Probe, place: Place, report: Report): Promise<void> {
  const text = await bundleText(probe, place, report);
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'it exists already' : (error.code ?? error.message);
    throw new UsageError(`--bundle: ${file} cannot be written: ${why}`);
  });
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Returns the text of the bundle. */
export async function bundleText(probe: Probe, place: Place, report: Report): Promise<string> {
  const parts: [string, string][] = [['sally doctor', reportText(report)]];
  parts.push(['places', JSON.stringify({ ...place, interfaces: Object.keys(networkInterfaces()) }, null, 1)]);
  for (const [program, ...args] of commands)
    parts.push([[program, ...args].join(' '), (await probe.output(program, args)) ?? 'no answer']);
  const states = [place.gatewayDir, place.clientDir].map((folder) => `${folder}/status.json`);
  for (const path of [...files, ...states]) parts.push([path, (await probe.text(path)) ?? 'not there']);
  const secrets = await secretsOf(probe, place);
  return parts.map(([title, text]) => `=== ${title} ===\n${redact(text.slice(0, mostText), secrets)}\n`).join('\n');
}

/** Texts in the secret files of this host. */
async function secretsOf(probe: Probe, place: Place): Promise<string[]> {
  const states = [place.gatewayDir, place.clientDir];
  const paths = [
    '/etc/sallyport/gateway.token',
    `${place.dataDir}/master.key`,
    ...(place.own.keyFile === null ? [] : [place.own.keyFile]),
    ...states.flatMap((folder) => [`${folder}/identity.json`, `${folder}/enrolment.key`]),
  ];
  const texts = await Promise.all(paths.map((path) => probe.text(path)));
  const settings = (await probe.text(controllerSettings)) ?? '';
  return [...texts.flatMap((text) => secretsIn(text ?? '')), ...secretSettings(settings)];
}
