import { z } from 'zod';
import { OperatorError } from '../errors.ts';
import { ByteReader, type Pieces } from './bytes.ts';

/** Files of a data directory that a backup holds. */
export const entryNames = ['sallyport.db', 'master.key', 'gateway/identity.json'] as const;

/** Name of a file in a backup. */
export type EntryName = (typeof entryNames)[number];

/** The first part of the content of a backup. */
const Manifest = z.strictObject({
  content: z.literal(1),
  /** ISO 8601. */
  createdAt: z.iso.datetime(),
  /** Version of the controller that made it. */
  version: z.string().max(100),
  entries: z
    .array(
      z.strictObject({
        name: z.enum(entryNames),
        size: z
          .int()
          .min(0)
          .max(2 ** 50),
      }),
    )
    .min(1)
    .max(entryNames.length),
});

/** The manifest of a backup. */
export type Manifest = z.output<typeof Manifest>;

/** One file of a backup with its content. */
export interface Entry {
  readonly name: EntryName;
  readonly size: number;
  readonly content: () => Pieces;
}

/** Manifest and entries one after the other, with the length of it all. */
export function packArchive(about: Pick<Manifest, 'createdAt' | 'version'>, entries: readonly Entry[]) {
  const manifest: Manifest = { content: 1, ...about, entries: entries.map(({ name, size }) => ({ name, size })) };
  const text = Buffer.from(JSON.stringify(manifest));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  const size = entries.reduce((sum, entry) => sum + entry.size, length.length + text.length);
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([length, text]);
    for (const entry of entries) yield* exactly(entry);
  };
  return { size, pieces: pieces() };
}

/** Reads an archive. `take` is called for each entry, in order, and must read it to its end. */
export async function unpackArchive(
  pieces: Pieces,
  begin: (manifest: Manifest) => Promise<void>,
  take: (name: EntryName, content: Pieces) => Promise<void>,
): Promise<Manifest> {
  const reader = new ByteReader(pieces);
  const manifest = await readManifest(reader);
  await begin(manifest);
  for (const { name, size } of manifest.entries) await take(name, entryContent(reader, size));
  if (!(await reader.atEnd())) throw unreadable();
  return manifest;
}

async function readManifest(reader: ByteReader): Promise<Manifest> {
  const field = await reader.take(4);
  const length = field.length === 4 ? field.readUInt32BE() : 0;
  if (length === 0 || length > longestManifest) throw unreadable();
  const text = (await reader.take(length)).toString('utf8');
  const parsed = Manifest.safeParse(parseJson(text));
  const twice = new Set(parsed.data?.entries.map(({ name }) => name)).size !== parsed.data?.entries.length;
  if (parsed.data === undefined || twice) throw unreadable();
  return parsed.data;
}

const longestManifest = 64 * 1024;

async function* entryContent(reader: ByteReader, size: number): AsyncGenerator<Uint8Array> {
  for (let missing = size; missing > 0; ) {
    const part = await reader.some(missing);
    if (part === null) throw unreadable();
    missing -= part.length;
    yield part;
  }
}

/** Checks the length, because a file that grew or shrank during the read would shift everything after it. */
async function* exactly({ name, size, content }: Entry): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const part of content()) {
    sent += part.length;
    if (sent > size) break;
    yield part;
  }
  if (sent !== size) throw new Error(`${name} changed while it was read`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const unreadable = (): OperatorError =>
  new OperatorError(
    'the content of the backup cannot be read by this version: use the version of Sallyport that made it, or a newer one',
  );
