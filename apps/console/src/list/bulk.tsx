import { type FormEvent, useState } from 'react';
import { Button, Field } from '../kit/kit.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { plural } from '../kit/text.ts';
import type { BulkAction, BulkWrite, ListDefinition, Row } from './definition.ts';
import { Menu } from './menu.tsx';

/** Most objects that one plan may change. */
export const mostPicked = 500;

interface BulkBarProps<T extends Row> {
  readonly list: ListDefinition<T>;
  readonly picked: readonly T[];
  readonly onDone: () => void;
}

/** Offers what can be done with the selected rows. Each action has one plan for all of them, and happens as one change. */
export function BulkBar<T extends Row>({ list, picked, onDone }: BulkBarProps<T>) {
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const [each, setEach] = useState<string | null>(null);
  const act = ({ verb, danger = false, fits = () => true, write: writeOf }: BulkAction<T>) => {
    if (writeOf === undefined) setEach(verb);
    else setWrite(batchOf(list, verb, danger, picked.filter(fits).map(writeOf)));
  };
  return (
    <div className="bulk-bar" role="toolbar" aria-label={`Selected ${list.many}`}>
      <strong className="num">{plural(picked.length, list.one, list.many)} selected</strong>
      {list.bulk.map((one) => (
        <Button
          key={one.verb}
          look={one.danger ? 'danger' : ''}
          disabled={!picked.some((row) => one.fits?.(row) ?? true)}
          title={picked.some((row) => one.fits?.(row) ?? true) ? undefined : one.why}
          onClick={() => act(one)}
        >
          {one.verb}
        </Button>
      ))}
      {list.labels !== undefined && (
        <LabelMenu
          list={list}
          labels={list.labels}
          picked={picked}
          onPlan={(verb, writes) => setWrite(batchOf(list, verb, false, writes))}
        />
      )}
      <span className="grow" />
      <Button look="plain" onClick={onDone}>
        Clear selection
      </Button>
      {list.bulk.map(({ verb, fits = () => true, Dialog }) =>
        Dialog === undefined ? null : (
          <Dialog
            key={verb}
            rows={each === verb ? picked.filter(fits) : null}
            leftOut={picked.filter((row) => !fits(row)).length}
            onClose={() => setEach(null)}
            onDone={onDone}
          />
        ),
      )}
      <PlanDialog write={write} onClose={() => setWrite(null)} onDone={onDone} />
    </div>
  );
}

/** One write for all rows: it happens as a whole or not at all. */
function batchOf<T extends Row>(
  { one, many }: ListDefinition<T>,
  verb: string,
  danger: boolean,
  writes: readonly BulkWrite[],
): PlannedWrite {
  const title = `${verb} ${plural(writes.length, one, many)}`;
  return {
    title,
    method: 'POST',
    path: '/tenants/batch',
    body: { writes },
    verb: title,
    done: `${title}: done.`,
    danger,
  };
}

function LabelMenu<T extends Row>({
  list,
  labels,
  picked,
  onPlan,
}: {
  list: ListDefinition<T>;
  labels: NonNullable<ListDefinition<T>['labels']>;
  picked: readonly T[];
  onPlan: (verb: string, writes: readonly BulkWrite[]) => void;
}) {
  const [text, setText] = useState('');
  const label = text.trim().toLowerCase();
  const shown = [...new Set(picked.flatMap(labels.of))].sort();
  const add = (event: FormEvent) => {
    event.preventDefault();
    const rows = picked.filter((row) => !labels.of(row).includes(label));
    if (label !== '' && rows.length > 0)
      onPlan(
        `Add ${label} to`,
        rows.map((row) => labels.write(row, [...labels.of(row), label])),
      );
  };
  const remove = (gone: string) => {
    const rows = picked.filter((row) => labels.of(row).includes(gone));
    onPlan(
      `Take ${gone} from`,
      rows.map((row) =>
        labels.write(
          row,
          labels.of(row).filter((one) => one !== gone),
        ),
      ),
    );
  };
  return (
    <Menu text="Labels">
      {() => (
        <div className="stack tight">
          <form className="stack tight" onSubmit={add}>
            <Field
              label={`Add a label to the selected ${list.many}`}
              placeholder="site=berlin"
              value={text}
              maxLength={63}
              autoFocus
              onChange={(event) => setText(event.target.value)}
            />
            <Button type="submit">Add label</Button>
          </form>
          {shown.map((one) => (
            <Button key={one} look="plain" onClick={() => remove(one)}>
              Remove {one}
            </Button>
          ))}
        </div>
      )}
    </Menu>
  );
}
