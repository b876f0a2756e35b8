/** One committed transaction, as far as it matters to the watcher of one table. */
export interface Transaction {
  /** Process id and name as the kernel saw them, from the machine's first process-id namespace. */
  readonly pid: number;
  readonly process: string;
  /** Whether it touched the watched table, or one beside it for probes. */
  readonly touched: boolean;
}

/** Reads what `nft monitor` prints, line by line, and says where a transaction ends. */
export class MonitorReader {
  readonly #ours: RegExp;
  #touched = false;

  constructor(table: string) {
    this.#ours = new RegExp(
      `^(?:add|delete|insert|replace|destroy|flush) .*\\binet ${table.replace(/[.\\-]/g, '\\$&')}(?:_trace|_passed)?(?=\\s|$)`,
    );
  }

  line(text: string): Transaction | null {
    const end = /^# new generation \d+ by process (\d+) \((.*)\)$/.exec(text);
    if (!end) {
      if (this.#ours.test(text)) this.#touched = true;
      return null;
    }
    const transaction = { pid: Number(end[1]), process: end[2] ?? '', touched: this.#touched };
    this.#touched = false;
    return transaction;
  }
}
