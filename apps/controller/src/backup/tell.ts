import type { Pieces } from './bytes.ts';
import type { Restored } from './restore.ts';
import type { Contents } from './stage.ts';

/** Returns a length as text in megabytes. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Describes the content of a backup for people. */
export function contentsText(contents: Contents): string {
  const { createdAt, version, encrypted, tenants, gateways, devices, users, databaseBytes, localGateway } = contents;
  const names = tenants.slice(0, 10).join(', ') + (tenants.length > 10 ? ', …' : '');
  const rows = [
    ['Made', `${createdAt} by version ${version}`],
    ['Encrypted', encrypted ? 'yes' : 'no'],
    ['Tenants', `${tenants.length} (${names})`],
    ['Gateways', `${gateways}`],
    ['Devices', `${devices}`],
    ['Users', `${users}`],
    ['Database', megabytes(databaseBytes)],
    ['Local gateway', localGateway ? 'with its identity' : 'none'],
  ];
  return rows.map(([label = '', text]) => `  ${label.padEnd(14)} ${text}\n`).join('');
}

/** Describes a finished restore for people. */
export function restoredText({ contents, aside }: Restored, dataDir: string): string {
  const before = aside === null ? '' : `The files from before are in ${aside}.\n`;
  return `Restored into ${dataDir}.\n${contentsText(contents)}${before}Start the controller as usual. It begins a new epoch; open enrolment keys have ended.\n`;
}

/** Shows the progress of a task in a line on the terminal. */
export class Progress {
  readonly #output: NodeJS.WriteStream;
  #shown = '';

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  show(text: string): void {
    if (!this.#output.isTTY || text === this.#shown) return;
    this.#output.write(`\r\u001b[K${text}`);
    this.#shown = text;
  }

  async *follow(pieces: Pieces, size: number): AsyncGenerator<Uint8Array> {
    let done = 0;
    for await (const piece of pieces) {
      done += piece.length;
      this.show(`Writing ${megabytes(done)} of ${megabytes(size)}`);
      yield piece;
    }
  }

  clear(): void {
    if (this.#shown !== '') this.#output.write('\r\u001b[K');
    this.#shown = '';
  }
}
