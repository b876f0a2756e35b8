import type { Readable } from 'node:stream';
import { notFound } from '../../errors.ts';
import { type Archive, openArchive } from './archives.ts';

/** Part of a file that a request asks for. `end` is the last byte. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a `Range` header for a file of `bytes` bytes (RFC 9110 section 14). Returns null for the whole file, also for forms
 * that are not supported, as that standard allows; `unsatisfiable` when the part lies behind the end.
 */
export function partOf(header: string | undefined, bytes: number): Part | 'unsatisfiable' | null {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return null;
  if (from === '')
    return Number(to) === 0 ? 'unsatisfiable' : { start: Math.max(0, bytes - Number(to)), end: bytes - 1 };
  const [start, end] = [Number(from), to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1)];
  if (start >= bytes) return 'unsatisfiable';
  return end < start ? null : { start, end };
}

/** Limits of downloads at the same time. */
export interface DownloadLimits {
  readonly total: number;
  readonly perSource: number;
  /** A slower download is cut. It can go on where it ended. */
  readonly longestMs: number;
}

/** Limits of a controller in use. One archive has about 40 MB. */
export const downloadLimits: DownloadLimits = { total: 32, perSource: 4, longestMs: 30 * 60_000 };

/** Counts downloads under way, and refuses those above the limits. */
export class Downloads {
  readonly #limits: DownloadLimits;
  readonly #bySource = new Map<string, number>();
  #total = 0;

  constructor(limits: DownloadLimits) {
    this.#limits = limits;
  }

  /** Returns a stream of a part of an archive; null when a limit is reached. Throws when the archive is gone. */
  async begin(source: string, folder: string, archive: Archive, part: Part): Promise<Readable | null> {
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#total >= this.#limits.total || ofSource >= this.#limits.perSource) return null;
    this.#total++;
    this.#bySource.set(source, ofSource + 1);
    try {
      return await this.#open(source, folder, archive, part);
    } catch (error) {
      this.#end(source);
      throw error;
    }
  }

  async #open(source: string, folder: string, archive: Archive, part: Part): Promise<Readable> {
    const file = await openArchive(folder, archive);
    if (file === null) throw notFound();
    const stream = file.createReadStream({ ...part, autoClose: true });
    const tooLong = () => stream.destroy(new Error('the download took too long'));
    const timer = setTimeout(tooLong, this.#limits.longestMs).unref();
    stream.once('close', () => {
      clearTimeout(timer);
      this.#end(source);
    });
    return stream;
  }

  #end(source: string): void {
    this.#total--;
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }
}
