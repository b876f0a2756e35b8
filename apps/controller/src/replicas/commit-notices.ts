/**
 * Pause after a notice for each commit that it told of, and the longest one, milliseconds. Commits of the pause are told
 * together. So a rare commit is told at once, and many commits cost few notices: each one wakes all replicas and their
 * sessions at the server.
 */
const [pauseMs, longestPauseMs] = [5, 15];
/** Characters of a notice. PostgreSQL carries less than 8,000 bytes in a notification. */
const noticeLength = 7_800;

/** Tells other replicas of commits. */
export class CommitNotices {
  readonly #isHeard: () => boolean;
  readonly #send: (text: string) => void;
  /** Revisions to tell, by tenant. */
  readonly #untold = new Map<string, number>();
  #commits = 0;
  /** Runs until the next notice may be sent. */
  #timer: NodeJS.Timeout | null = null;

  /** `isHeard`: whether there are other replicas. `send`: sends them a notice. */
  constructor(isHeard: () => boolean, send: (text: string) => void) {
    this.#isHeard = isHeard;
    this.#send = send;
  }

  /** Tells of a commit soon. While there are no other replicas, it waits for one. */
  committed(tenant: string, revision: number): void {
    this.#untold.set(tenant, Math.max(revision, this.#untold.get(tenant) ?? 0));
    this.#commits++;
    // Commits of one turn of the event loop are told together.
    if (this.#isHeard()) this.#timer ??= setTimeout(() => this.tell(), 0);
  }

  /** Tells at once what was not told yet, if there are other replicas. */
  tell(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#untold.size === 0 || !this.#isHeard()) return;
    for (const text of noticesOf(this.#untold)) this.#send(text);
    this.#timer = setTimeout(() => this.tell(), Math.min(longestPauseMs, pauseMs * this.#commits));
    this.#untold.clear();
    this.#commits = 0;
  }
}

function* noticesOf(revisions: ReadonlyMap<string, number>): Generator<string> {
  let text = '';
  for (const [tenant, revision] of revisions) {
    const part = `${tenant}:${revision}`;
    if (text.length + part.length >= noticeLength) {
      yield text;
      text = '';
    }
    text += text === '' ? part : ` ${part}`;
  }
  yield text;
}

/** Reads a notice. Throws on malformed input. */
export function readNotice(text: string): { tenant: string; revision: number }[] {
  return text.split(' ').map((part) => {
    const [tenant, digits] = part.split(':');
    const revision = Number(digits);
    if (tenant === undefined || !Number.isSafeInteger(revision)) throw new Error('a commit without a revision');
    return { tenant, revision };
  });
}
