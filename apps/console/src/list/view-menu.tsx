import type { ListColumn, Row } from './definition.ts';
import { Menu } from './menu.tsx';
import type { Liking } from './remembered.ts';

/** Lets the person choose columns and density. The choice stays in this browser. */
export function ViewMenu<T extends Row>({
  columns,
  liking,
  onChange,
}: {
  columns: readonly ListColumn<T>[];
  liking: Liking;
  onChange: (change: Partial<Liking>) => void;
}) {
  return (
    <Menu look="plain" text="View">
      {() => (
        <div className="stack tight">
          <fieldset className="stack tight plain-set">
            <legend>Columns</legend>
            {columns.slice(1).map((column) => (
              <label key={column.key} className="check">
                <input
                  type="checkbox"
                  checked={isShown(column, liking)}
                  onChange={(event) => onChange({ columns: { ...liking.columns, [column.key]: event.target.checked } })}
                />
                {column.head}
              </label>
            ))}
          </fieldset>
          <fieldset className="stack tight plain-set">
            <legend>Rows</legend>
            <label className="check">
              <input
                type="checkbox"
                checked={liking.compact}
                onChange={(event) => onChange({ compact: event.target.checked })}
              />
              Compact
            </label>
          </fieldset>
        </div>
      )}
    </Menu>
  );
}

/** Whether a person wants to see a column. */
export const isShown = <T extends Row>({ key, optional }: ListColumn<T>, { columns }: Liking): boolean =>
  columns[key] ?? optional !== true;
