import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, version } from '@sallyport/program/place';
import type { NodeProgram } from './node-program.ts';
import type { WireGuardGo } from './wireguard-go.ts';

/** A library whose code is in a package. */
export interface Library {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly licence: string;
  /** Subresource integrity from the lock file: `sha512-…`. */
  readonly integrity: string | null;
  /** Text of its licence file; null when it has none. */
  readonly text: string | null;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
}

/** Returns the libraries in folders such as `node_modules/zod`, in order. Throws when one names no licence. */
export function readLibraries(folders: readonly string[]): Library[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  const known = new Map<string, Library>();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    if (typeof license !== 'string') throw new Error(`${folder} names no licence`);
    const integrity = lock.packages[folder]?.integrity ?? null;
    known.set(`${name}@${version}`, { name, version, licence: license, integrity, text: licenceText(folder) });
  }
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, library]) => library);
}

function licenceText(folder: string): string | null {
  const file = readdirSync(join(root, folder))
    .sort()
    .find((name) => /^(licen[cs]e|copying)(\.|-|$)/i.test(name));
  return file === undefined || !existsSync(join(root, folder, file))
    ? null
    : readFileSync(join(root, folder, file), 'utf8');
}

const line = `\n\n${'-'.repeat(80)}\n\n`;

/** Returns the licences of everything in a package as one text. `tunnel`: null when wireguard-go is left out. */
export function noticesText(libraries: readonly Library[], node: NodeProgram, tunnel: WireGuardGo | null): string {
  const parts = libraries.map(({ name, version, licence, text }) =>
    `${name} ${version} (${licence})\n\n${text ?? ''}`.trim(),
  );
  const programs = [`Node.js ${node.version}\n\n${node.licence}`];
  if (tunnel !== null) {
    const used = tunnel.builtUsing.map(({ name, version }) => `${name} ${version}`).join(', ');
    programs.unshift(
      `wireguard-go ${tunnel.version}, Debian's build with ${used}\n\n${tunnel.licence}\n${goLicence()}`,
    );
  }
  return `Sallyport contains these libraries.\n\n${[...parts, ...programs].join(line)}\n`;
}

/** Licence of Go, and of its libraries in wireguard-go. */
const goLicence = () => readFileSync(join(import.meta.dirname, 'go-licence.txt'), 'utf8');

/**
 * Returns the bill of materials in the form of CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). It has no time and no
 * random number, so that equal packages have equal ones.
 */
export function billOfMaterials(libraries: readonly Library[], node: NodeProgram, tunnel: WireGuardGo | null): object {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: { type: 'application', name: 'sallyport', version, licenses: [{ expression: 'Apache-2.0' }] },
    },
    components: [
      program('node', node.version, `pkg:generic/node@${node.version}`, 'MIT'),
      ...(tunnel === null ? [] : tunnelComponents(tunnel)),
      ...libraries.map(({ name, version, licence, integrity }) => ({
        type: 'library',
        name,
        version,
        purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
        licenses: [{ expression: licence }],
        ...(integrity === null ? {} : { hashes: [hashOf(integrity)] }),
      })),
    ],
  };
}

function tunnelComponents({ version, builtUsing }: WireGuardGo): object[] {
  const purl = (name: string, version: string) => `pkg:deb/debian/${name}@${encodeURIComponent(version)}`;
  return [
    program('wireguard-go', version, purl('wireguard-go', version), 'MIT'),
    ...builtUsing.map((used) => ({
      ...program(used.name, used.version, purl(used.name, used.version), 'BSD-3-Clause'),
      type: 'library',
    })),
  ];
}

function program(name: string, version: string, purl: string, licence: string): object {
  return { type: 'application', name, version, purl, licenses: [{ expression: licence }] };
}

function hashOf(integrity: string): { alg: string; content: string } {
  const [kind = '', digest = ''] = integrity.split('-');
  return { alg: kind.replace(/^sha/, 'SHA-'), content: Buffer.from(digest, 'base64').toString('hex') };
}
