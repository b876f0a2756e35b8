import type { DryRun } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient } from '../data/queries.ts';
import { Button, Dialog, plural, Skeleton, toast } from '../kit/kit.tsx';
import type { BulkAction, ListDefinition, Row } from './definition.ts';

/** Most objects that one plan may change. */
export const mostPicked = 500;

/** Offers what can be done with the selected rows. Each action has one plan for all of them. */
export function BulkBar<T extends Row>({
  list,
  picked,
  onDone,
}: {
  list: ListDefinition<T>;
  picked: readonly T[];
  onDone: () => void;
}) {
  const [action, setAction] = useState<BulkAction<T> | null>(null);
  const rows = action === null ? [] : picked.filter((row) => action.fits?.(row) ?? true);
  return (
    <div className="bulk-bar" role="toolbar" aria-label={`Selected ${list.many}`}>
      <strong className="num">{plural(picked.length, list.one, list.many)} selected</strong>
      {list.bulk.map((one) => (
        <Button key={one.verb} look={one.danger ? 'danger' : ''} onClick={() => setAction(one)}>
          {one.verb}
        </Button>
      ))}
      <span className="grow" />
      <Button look="plain" onClick={onDone}>
        Clear selection
      </Button>
      <Dialog
        title={action === null ? '' : `${action.verb} ${plural(rows.length, list.one, list.many)}`}
        open={action !== null}
        onClose={() => setAction(null)}
      >
        {action !== null && (
          <BulkPlan
            list={list}
            action={action}
            rows={rows}
            left={picked.length - rows.length}
            onClose={() => setAction(null)}
            onDone={onDone}
          />
        )}
      </Dialog>
    </div>
  );
}

interface BulkPlanProps<T extends Row> {
  readonly list: ListDefinition<T>;
  readonly action: BulkAction<T>;
  readonly rows: readonly T[];
  readonly left: number;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

function BulkPlan<T extends Row>({ list, action, rows, left, onClose, onDone }: BulkPlanProps<T>) {
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const plan = useQuery({
    queryKey: ['plan', action.verb, rows.map(({ id }) => id)],
    gcTime: 0,
    retry: false,
    queryFn: () => planOf(action, rows),
  });
  const what = plural(rows.length, list.one, list.many);
  const apply = async () => {
    setBusy(true);
    try {
      await writeAll(action, rows);
      toast(`${action.verb}: ${what}.`);
      onClose();
      onDone();
    } catch (error) {
      setFailure(error);
      setBusy(false);
    } finally {
      await queryClient.invalidateQueries();
    }
  };
  const error = failure ?? plan.error;
  const { gained, lost } = plan.data ?? { gained: 0, lost: 0 };
  return (
    <>
      {rows.length === 0 && <p>This changes none of the selected {list.many}.</p>}
      {rows.length > 0 && left > 0 && <p className="muted">{plural(left, list.one, list.many)} stay as they are.</p>}
      {plan.isPending && <Skeleton lines={3} />}
      {error !== null && (
        <p className="note bad" role="alert">
          {messageOf(error)}
        </p>
      )}
      {plan.data !== undefined && rows.length > 0 && (
        <p>
          {gained + lost === 0
            ? 'Access does not change by this.'
            : `${plural(lost, 'pair')} of device and resource lose access, ${plural(gained, 'pair')} gain it.`}
        </p>
      )}
      <footer>
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look={action.danger ? 'danger solid' : 'primary'}
          busy={busy || plan.data === undefined}
          disabled={rows.length === 0}
          onClick={() => void apply()}
        >
          {action.verb} {what}
        </Button>
      </footer>
    </>
  );
}

/** Asks what a change of all rows would do, without making it. */
async function planOf<T extends Row>(
  action: BulkAction<T>,
  rows: readonly T[],
): Promise<{ gained: number; lost: number }> {
  const sum = { gained: 0, lost: 0 };
  for (const row of rows) {
    const { method, path, body } = action.write(row);
    const { gained, lost } = (await call<never>(method, `${path}?dry-run=true`, body as never)) as DryRun;
    sum.gained += gained;
    sum.lost += lost;
  }
  return sum;
}

async function writeAll<T extends Row>(action: BulkAction<T>, rows: readonly T[]): Promise<void> {
  for (const row of rows) {
    const { method, path, body } = action.write(row);
    await call<never>(method, path, body as never);
  }
}
