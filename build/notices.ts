import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, version } from '@sallyport/program/place';

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

/** Returns the licences of all libraries as one text. */
export function noticesText(libraries: readonly Library[]): string {
  const parts = libraries.map(({ name, version, licence, text }) =>
    `${name} ${version} (${licence})\n\n${text ?? ''}`.trim(),
  );
  return `Sallyport contains these libraries.\n\n${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/**
 * Returns the bill of materials in the form of CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). It has no time and no
 * random number, so that equal packages have equal ones.
 */
export function billOfMaterials(libraries: readonly Library[], node: string): object {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: { type: 'application', name: 'sallyport', version, licenses: [{ expression: 'Apache-2.0' }] },
    },
    components: [
      {
        type: 'application',
        name: 'node',
        version: node,
        purl: `pkg:generic/node@${node}`,
        licenses: [{ expression: 'MIT' }],
      },
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

function hashOf(integrity: string): { alg: string; content: string } {
  const [kind = '', digest = ''] = integrity.split('-');
  return { alg: kind.replace(/^sha/, 'SHA-'), content: Buffer.from(digest, 'base64').toString('hex') };
}
