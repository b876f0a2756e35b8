import { LongLived } from './long-lived.ts';
import { type RunResult, run } from './run.ts';

/** Characters of a text that goes to the long-lived program. A line of this length reaches it in one piece. */
const LONGEST_LINE = 32_000;
/** Transactions after which the program is replaced, because it remembers all of them. */
const MOST_TRANSACTIONS = 500;
/** Failures after which only one program per transaction is used, because this nft may not be interactive. */
const MOST_FAILURES = 3;

/**
 * Runs small transactions in one long-lived `nft`, and others in a program of their own. An nft that ended or does not
 * answer is replaced, and the transaction then runs in a program of its own.
 *
 * nft keeps what it read of the ruleset until a transaction is committed, and a transaction that is not committed may
 * have changed that. So the program is replaced after a refused transaction, and after two checks without a commit in
 * between.
 */
export class NftWriter {
  readonly #flags: readonly string[];
  readonly #program: LongLived;
  #transactions = 0;
  #failures = 0;

  /** With `check` the kernel only checks the transactions. */
  constructor({ check = false }: { check?: boolean } = {}) {
    this.#flags = check ? ['--check'] : [];
    this.#program = new LongLived({
      ...{ tool: 'nft', args: [...this.#flags, '--interactive'] },
      // Needs nothing of the kernel.
      ...{ marker: 'describe ipv4_addr\n', answered: /^datatype ipv4_addr .*\n$/ms },
    });
  }

  /** Starts the program before it is needed. */
  start(): void {
    if (this.#failures < MOST_FAILURES) this.#program.start();
  }

  /** Runs one transaction. `onStart` receives the process id. Any outcome is a result. Throws `missing-tool`. */
  async run(text: string, onStart?: (pid: number) => void): Promise<RunResult> {
    const fits = text.length <= LONGEST_LINE && this.#failures < MOST_FAILURES;
    const result = fits ? await this.#ask(text, onStart).catch(() => null) : null;
    if (result !== null) return result;
    if (fits) this.#failures += 1;
    return run('nft', [...this.#flags, '-f', '-'], text, onStart);
  }

  /** Ends the program. The next transaction starts another. */
  renew(): void {
    this.#program.renew();
  }

  async #ask(text: string, onStart?: (pid: number) => void): Promise<RunResult> {
    this.#transactions += 1;
    if (this.#transactions % MOST_TRANSACTIONS === 0) this.#program.renew();
    const pid = this.#program.start();
    if (pid !== undefined) onStart?.(pid);
    const answer = await this.#program.ask(oneLine(text));
    this.#failures = 0;
    const refused = /^Error:/m.test(answer);
    if (refused) this.#program.renew();
    return { code: refused ? 1 : 0, stdout: '', stderr: answer };
  }
}

/** A line is one transaction. nft takes some values, such as class ids, only before white space. */
function oneLine(text: string): string {
  return `${text.trim().replace(/\n+/g, ' ; ')}\n`;
}
