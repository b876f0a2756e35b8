import { styleText } from 'node:util';
import { clean, displayWidth } from './text.ts';

type Style = Parameters<typeof styleText>[0];

/** Text of one cell, and its style on a terminal with colour. */
export type Cell = string | { readonly text: string; readonly style: Style };

/** One column: its heading and the cell of an item. */
export interface Column<T> {
  readonly heading: string;
  readonly cell: (item: T) => Cell;
}

/** Formats items as aligned columns under headings, one line each. The text ends with a newline. */
export function table<T>(columns: readonly Column<T>[], items: readonly T[], colour: boolean): string {
  const rows = items.map((item) => columns.map((column) => column.cell(item)));
  const heading = columns.map((column): Cell => ({ text: column.heading, style: 'bold' }));
  return lines([heading, ...rows], colour);
}

/** Formats names and values of one object, aligned. Undefined values are omitted. The text ends with a newline. */
export function details(fields: readonly (readonly [string, Cell | undefined])[], colour: boolean): string {
  const rows = fields.flatMap(([name, value]): Cell[][] =>
    value === undefined ? [] : [[{ text: name, style: 'bold' }, value]],
  );
  return lines(rows, colour);
}

const STATUS_STYLES: Readonly<Record<string, Style>> = {
  ACTIVE: 'green',
  ONLINE: 'green',
  Online: 'green',
  ERROR: 'red',
  NOT_REACHABLE: 'red',
  OFFLINE: 'yellow',
  MAINTENANCE: 'yellow',
  INVITED: 'yellow',
  EXPIRED: 'yellow',
  DEACTIVATED: 'yellow',
  Deactivated: 'yellow',
};

/** Returns a status word in its colour. */
export function status(word: string | undefined): Cell {
  const style = word === undefined ? undefined : STATUS_STYLES[word];
  return style === undefined ? (word ?? '-') : { text: word ?? '-', style };
}

function lines(rows: readonly (readonly Cell[])[], colour: boolean): string {
  const texts = rows.map((row) => row.map((cell) => clean(typeof cell === 'string' ? cell : cell.text)));
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => displayWidth(row[column] ?? ''))));
  return rows.map((row, index) => line(row, texts[index] ?? [], widths, colour)).join('');
}

function line(row: readonly Cell[], texts: readonly string[], widths: readonly number[], colour: boolean): string {
  const parts = row.map((cell, column) => {
    const text = texts[column] ?? '';
    const padding = column === row.length - 1 ? '' : ' '.repeat((widths[column] ?? 0) - displayWidth(text));
    const shown = colour && typeof cell !== 'string' ? styleText(cell.style, text, { validateStream: false }) : text;
    return shown + padding;
  });
  return `${parts.join('  ').trimEnd()}\n`;
}
