import type { LiveTopics } from '@sallyport/contract';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type MouseEvent, memo, type Ref, type RefObject, useImperativeHandle, useLayoutEffect, useState } from 'react';
import { Skeleton } from '../kit/kit.tsx';
import { useFollow } from '../live/live.ts';
import type { ListColumn, ListDefinition, Row } from './definition.ts';
import type { Sort } from './filters.ts';
import { pageSize, useRows } from './rows.ts';

/** Height of the line with the names of the columns, px. */
const headHeight = 36;
/** Width of the column with the check boxes, px. */
const pickWidth = 44;

/** What others may ask of a table. */
export interface TableHandle<T> {
  readonly loaded: readonly T[];
  readonly total: number;
  /** The row before or after that of an id, which scrolls into sight. */
  readonly beside: (id: string | null, by: number) => T | undefined;
}

interface TableProps<T extends Row> {
  readonly list: ListDefinition<T>;
  readonly columns: readonly ListColumn<T>[];
  readonly query: string;
  readonly sort: Sort | null;
  readonly compact: boolean;
  readonly open: string | null;
  readonly picked: ReadonlySet<string> | null;
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly handle: Ref<TableHandle<T>>;
  readonly onSort: (field: string) => void;
  readonly onOpen: (id: string) => void;
  readonly onPick: (row: T, wanted: boolean, range: boolean) => void;
  readonly onPickAll: (wanted: boolean) => void;
  readonly onRows: (known: { total: number | null; error: unknown }) => void;
}

/** Rows of a list, of which only those in sight exist in the page. */
export function ListTable<T extends Row>(props: TableProps<T>) {
  const { list, query, compact, open, picked, scroller, handle, onRows } = props;
  const height = compact ? 32 : 40;
  const [count, setCount] = useState(0);
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 8,
    scrollMargin: headHeight,
    scrollPaddingStart: headHeight,
    useFlushSync: false,
  });
  const items = virtual.getVirtualItems();
  const pages = items.map(({ index }) => Math.floor(index / pageSize));
  const rows = useRows(list, query, pages);
  const { total, error } = rows;
  useFollow(
    topicsOf(
      list.kind,
      query,
      items.flatMap(({ index }) => rows.at(index)?.id ?? []),
    ),
  );
  useLayoutEffect(() => {
    setCount(total ?? 0);
    onRows({ total, error });
  }, [total, error, onRows]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the sizes are measured again when the density changes
  useLayoutEffect(() => virtual.measure(), [height]);
  const columns = useColumnsThatFit(scroller, props.columns, picked !== null);
  const template = templateOf(columns, picked !== null);
  useImperativeHandle(handle, () => ({
    loaded: rows.loaded,
    total: total ?? 0,
    beside: (id, by) => {
      const first = items[0]?.index ?? 0;
      const at = items.find(({ index }) => rows.at(index)?.id === id)?.index;
      const next = at === undefined ? first : Math.max(0, Math.min((total ?? 1) - 1, at + by));
      virtual.scrollToIndex(next);
      return rows.at(next);
    },
  }));
  return (
    <div className="list-scroll" ref={scroller} aria-busy={total === null}>
      <table aria-label={list.many} aria-rowcount={(total ?? -2) + 1}>
        <ListHead {...props} columns={columns} template={template} all={total !== null && total > 0} />
        <tbody className="list-body" style={{ height: count * height }}>
          {items.map(({ index, start }) => (
            <ListRow
              key={index}
              row={rows.at(index)}
              index={index}
              start={start - headHeight}
              height={height}
              template={template}
              columns={columns as readonly ListColumn<Row>[]}
              list={list as unknown as ListDefinition<Row>}
              current={open !== null && rows.at(index)?.id === open}
              picked={picked === null ? null : picked.has(rows.at(index)?.id ?? '')}
              onOpen={props.onOpen}
              onPick={props.onPick as unknown as RowProps['onPick']}
            />
          ))}
        </tbody>
      </table>
      {total === null && error === null && (
        <div className="list-wait">
          <Skeleton />
        </div>
      )}
    </div>
  );
}

function ListHead<T extends Row>({
  columns,
  template,
  sort,
  picked,
  all,
  onSort,
  onPickAll,
  list,
}: TableProps<T> & { template: string; all: boolean }) {
  return (
    <thead className="list-head">
      <tr className="list-line" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
        {picked !== null && (
          <th scope="col" className="list-pick">
            <input
              type="checkbox"
              aria-label={`Select all ${list.many}`}
              disabled={!all}
              checked={picked.size > 0}
              ref={(box) => {
                if (box !== null) box.indeterminate = picked.size > 0;
              }}
              onChange={(event) => onPickAll(event.target.checked && picked.size === 0)}
            />
          </th>
        )}
        {columns.map(({ key, head, sort: field, end }) => {
          const down = sort?.field === field ? sort?.down : undefined;
          return (
            <th
              key={key}
              scope="col"
              className={end ? 'end' : undefined}
              aria-sort={field === undefined || down === undefined ? undefined : down ? 'descending' : 'ascending'}
            >
              {field === undefined ? (
                head
              ) : (
                <button type="button" className="sort" onClick={() => onSort(field)}>
                  {head}
                  <span aria-hidden="true">{down === undefined ? '' : down ? ' ↓' : ' ↑'}</span>
                </button>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** Returns what the live stream sends about the rows in sight. */
function topicsOf(kind: string, query: string, ids: string[]): LiveTopics {
  // Rows out of sight can come into a list by status.
  const overview = /status|last(Online|Connection)/.test(query);
  if (kind === 'gateway') return { gateways: ids, overview };
  return kind === 'device' ? { devices: ids, overview } : {};
}

interface RowProps {
  readonly row: Row | undefined;
  readonly index: number;
  readonly start: number;
  readonly height: number;
  readonly template: string;
  readonly columns: readonly ListColumn<Row>[];
  readonly list: ListDefinition<Row>;
  readonly current: boolean;
  readonly picked: boolean | null;
  readonly onOpen: (id: string) => void;
  readonly onPick: (row: Row, wanted: boolean, range: boolean) => void;
}

/** One row. It is drawn again only when something about it differs. */
const ListRow = memo(function ListRow(props: RowProps) {
  const { row, index, start, height, template, columns, list, current, picked, onOpen, onPick } = props;
  const style = { transform: `translateY(${start}px)`, height, gridTemplateColumns: template };
  if (row === undefined)
    return (
      <tr aria-rowindex={index + 2} aria-busy="true" className="list-line list-row" style={style}>
        <td className="list-blank">
          <span className="skeleton" />
        </td>
      </tr>
    );
  const click = (event: MouseEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if ((event.target as Element).closest('button, input, label') !== null) return;
    event.preventDefault();
    onOpen(row.id);
  };
  const name = list.nameOf(row);
  return (
    <tr
      aria-rowindex={index + 2}
      aria-current={current || undefined}
      className="list-line list-row"
      data-id={row.id}
      style={style}
      onClick={click}
    >
      {picked !== null && (
        <td className="list-pick">
          <input
            type="checkbox"
            aria-label={`Select ${name}`}
            checked={picked}
            onChange={() => undefined}
            onClick={(event) => onPick(row, !picked, event.shiftKey)}
          />
        </td>
      )}
      {columns.map(({ key, cell, end }, i) => (
        <td key={key} className={end ? 'end num' : undefined}>
          {i === 0 ? (
            <a className="list-name" href={`?id=${row.id}`} title={name}>
              {cell(row)}
            </a>
          ) : (
            cell(row)
          )}
        </td>
      ))}
    </tr>
  );
});

const templateOf = <T extends Row>(columns: readonly ListColumn<T>[], picks: boolean): string =>
  [
    ...(picks ? [`${pickWidth}px`] : []),
    ...columns.map(({ least, grow = 1 }) => (grow === 0 ? `${least}px` : `minmax(${least}px, ${grow}fr)`)),
  ].join(' ');

/** Returns the columns for which the width is enough. The most important ones stand first. */
function useColumnsThatFit<T extends Row>(
  frame: RefObject<HTMLDivElement | null>,
  columns: readonly ListColumn<T>[],
  picks: boolean,
): readonly ListColumn<T>[] {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [frame]);
  let left = width - (picks ? pickWidth : 0);
  const count = columns.findIndex(({ least }, i) => {
    left -= least;
    return left < 0 && i > 0;
  });
  return count === -1 ? columns : columns.slice(0, count);
}
