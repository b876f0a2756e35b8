/** One committed transaction, with the facts that the watcher of one table needs. */
export interface Transaction {
  /** Process id and name as the kernel saw them, in the machine's first process-id namespace. */
  readonly pid: number;
  readonly process: string;
  /** Whether it touched the watched table, or a table beside it for probes. */
  readonly touched: boolean;
}

/** Reads the output of `nft monitor` line by line and reports the end of each transaction. */
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
