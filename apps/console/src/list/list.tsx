import { type ReactNode, useCallback, useEffect, useRef, useState } from 'react';
import { messageOf } from '../data/api.ts';
import { readListPage } from '../data/list-page.ts';
import { mayWrite } from '../data/queries.ts';
import { Button, Empty, toast } from '../kit/kit.tsx';
import { plural } from '../kit/text.ts';
import { useSignedIn } from '../shell/me.ts';
import { BulkBar, mostPicked } from './bulk.tsx';
import { CommandLine } from './command-line.tsx';
import type { ListDefinition, Row } from './definition.ts';
import { FilterBar } from './filter-bar.tsx';
import './list.css';
import { useLiking } from './remembered.ts';
import { SidePanel } from './side-panel.tsx';
import { ListTable, type TableHandle } from './table.tsx';
import { chipChange, useAddress } from './use-address.ts';
import { isShown, ViewMenu } from './view-menu.tsx';

/** A page with a list: filters, the rows in sight, a bar for the selected ones, and a panel for the open one. */
export function ListPage<T extends Row>({
  list,
  title,
  action,
  above,
}: {
  list: ListDefinition<T>;
  title: string;
  action?: ReactNode;
  above?: ReactNode;
}) {
  const me = useSignedIn();
  const [liking, like] = useLiking(list.kind);
  const address = useAddress(list, liking.sort);
  const { q, chips, sort, open, query, change } = address;
  const [{ total, error }, setKnown] = useState<{ total: number | null; error: unknown }>({ total: null, error: null });
  const scroller = useRef<HTMLDivElement>(null);
  const table = useRef<TableHandle<T>>(null);
  const { picked, pick, pickAll, clear } = usePicked(list, query, table);
  const openRow = useCallback((id: string) => change({ id }), [change]);
  const close = useCallback(() => {
    const row = open === null ? null : scroller.current?.querySelector<HTMLElement>(`[data-id="${open}"] a`);
    change({ id: undefined });
    (row ?? scroller.current?.querySelector<HTMLElement>('.list-row a'))?.focus();
  }, [change, open]);
  const step = useCallback(
    (by: number) => {
      const next = table.current?.beside(open, by);
      if (next !== undefined) change({ id: next.id });
    },
    [change, open],
  );
  const sortBy = (field: string) => {
    const next = sort?.field !== field ? field : sort.down ? undefined : `-${field}`;
    like({ sort: next ?? null });
    change({ sort: next });
  };
  const clearFilters = () =>
    change({ q: undefined, ...Object.fromEntries(list.filters.map(({ field }) => [field, undefined])) });
  const filtered = q !== '' || chips.length > 0;
  const picks = mayWrite(me) && list.bulk.length > 0;
  return (
    <div className="list-page">
      <div className="head">
        <h1>
          {title} {total !== null && <span className="list-count num">{total.toLocaleString('en')}</span>}
        </h1>
        {action}
      </div>
      {above}
      <div className="list-bar">
        <FilterBar
          many={list.many}
          q={list.searchable ? q : null}
          chips={chips}
          fields={list.filters}
          onSearch={(text) => change({ q: text })}
          onChip={(chip) => change(chipChange(chip))}
          onClear={clearFilters}
        />
        <span className="grow" />
        <CommandLine list={list} q={q} chips={chips} sort={sort} />
        <ViewMenu columns={list.columns} liking={liking} onChange={like} />
      </div>
      {error !== null && (
        <p className="note bad" role="alert">
          {messageOf(error)}
        </p>
      )}
      <div className="card list-card">
        {total === 0 ? <NoRows list={list} filtered={filtered} onClear={clearFilters} /> : null}
        <ListTable
          list={list}
          columns={list.columns.filter((column, i) => i === 0 || isShown(column, liking))}
          query={query}
          sort={sort}
          compact={liking.compact}
          open={open}
          picked={picks ? picked.ids : null}
          scroller={scroller}
          handle={table}
          onSort={sortBy}
          onOpen={openRow}
          onPick={pick}
          onPickAll={(wanted) => void pickAll(wanted)}
          onRows={setKnown}
        />
        {picked.rows.length > 0 && <BulkBar list={list} picked={picked.rows} onDone={clear} />}
      </div>
      {open !== null && (
        <SidePanel key={list.kind} label={list.one} onClose={close} onStep={step}>
          <list.Panel id={open} row={table.current?.loaded.find(({ id }) => id === open)} />
        </SidePanel>
      )}
    </div>
  );
}

function NoRows<T extends Row>({
  list,
  filtered,
  onClear,
}: {
  list: ListDefinition<T>;
  filtered: boolean;
  onClear: () => void;
}) {
  if (!filtered) return <Empty title={list.empty.title}>{list.empty.text}</Empty>;
  return <Empty title={`No ${list.one} fits the filters`} action={<Button onClick={onClear}>Clear filters</Button>} />;
}

interface Picked<T> {
  readonly ids: ReadonlySet<string>;
  readonly rows: readonly T[];
}

/** The selected rows of a list. Other filters end the selection: it must not hold what is out of sight. */
function usePicked<T extends Row>(
  list: ListDefinition<T>,
  query: string,
  table: { readonly current: TableHandle<T> | null },
) {
  const [picked, setPicked] = useState<ReadonlyMap<string, T>>(new Map());
  const last = useRef<string | null>(null);
  const clear = useCallback(() => setPicked(new Map()), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the query says which rows are in sight
  useEffect(clear, [query, clear]);
  const pick = useCallback(
    (row: T, wanted: boolean, range: boolean) => {
      const loaded = table.current?.loaded ?? [];
      const from = range ? loaded.findIndex(({ id }) => id === last.current) : -1;
      const to = loaded.findIndex(({ id }) => id === row.id);
      const rows = from === -1 ? [row] : loaded.slice(Math.min(from, to), Math.max(from, to) + 1);
      last.current = row.id;
      setPicked((before) => {
        const next = new Map(before);
        for (const one of rows) {
          if (wanted) next.set(one.id, one);
          else next.delete(one.id);
        }
        return new Map([...next].slice(0, mostPicked));
      });
    },
    [table],
  );
  const pickAll = async (wanted: boolean) => {
    if (!wanted) return clear();
    try {
      const { rows, total } = await readListPage<T>(`${list.path}?${query}&limit=${mostPicked}`);
      setPicked(new Map(rows.slice(0, mostPicked).map((row) => [row.id, row])));
      if (total > rows.length)
        toast(
          `The first ${rows.length} of ${plural(total, list.one, list.many)} are selected. One plan holds no more.`,
        );
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  const state: Picked<T> = { ids: new Set(picked.keys()), rows: [...picked.values()] };
  return { picked: state, pick, pickAll, clear };
}
