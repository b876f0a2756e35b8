import type { DryRun } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiFailure, messageOf, request, type Versioned } from '../data/api.ts';
import { queryClient } from '../data/queries.ts';
import { Button, Dialog, Skeleton, toast } from './kit.tsx';
import { Effects, effectText } from './plan-effects.tsx';

/** A write of the API that a person confirms. Unless it is `direct`, its plan is shown first. */
export interface PlannedWrite {
  readonly title: string;
  readonly method: string;
  readonly path: string;
  readonly body?: object | undefined;
  /** Of the button: `Delete policy`. */
  readonly verb: string;
  readonly done: string;
  readonly danger?: boolean;
  /** Version of the object that the person saw. The controller refuses the write when the object has changed. */
  readonly version?: string;
  /** Changes no access, so there is nothing to show first. */
  readonly direct?: boolean;
}

/** Returns the write that deletes an object. `kind` as people read it: `policy`. */
export const deletionOf = (kind: string, name: string, path: string): PlannedWrite => ({
  title: `Delete ${name}`,
  method: 'DELETE',
  path,
  verb: `Delete ${kind}`,
  done: `Deleted ${name}.`,
  danger: true,
});

/** Shows who gains and who loses access by a write, then does it. */
export function PlanDialog({
  write,
  onClose,
  onDone,
}: {
  write: PlannedWrite | null;
  onClose: () => void;
  onDone?: () => void;
}) {
  const done = () => {
    onDone?.();
    onClose();
  };
  return (
    <Dialog title={write?.title ?? ''} open={write !== null} onClose={onClose}>
      {write !== null && <Plan write={write} onBack={onClose} onDone={done} />}
    </Dialog>
  );
}

interface PlanProps {
  readonly write: PlannedWrite;
  /** Without a failure: the person went back. */
  readonly onBack: () => void;
  /** Takes failures that belong to fields of a form. Left out: the plan shows them. */
  readonly onRefused?: (failure: ApiFailure) => void;
  readonly onDone: (answer: unknown) => void;
}

/** The plan of a write, and the button that does it. The write repeats the revision of the plan. */
export function Plan({ write, onBack, onRefused, onDone }: PlanProps) {
  const { method, path, body, verb, done, danger, version } = write;
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [outdated, setOutdated] = useState(false);
  const refused = (error: unknown) => {
    if (onRefused !== undefined && error instanceof ApiFailure && belongsToForm(error)) onRefused(error);
    else setFailure(error);
  };
  const plan = useQuery({
    queryKey: ['plan', method, path, body, version],
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    queryFn: () =>
      request<DryRun>(method, withDryRun(path), body, ifMatch(version)).catch((error) => {
        refused(error);
        throw error;
      }),
  });
  const apply = async (planned: Versioned<DryRun>, triesLeft = 3) => {
    setBusy(true);
    setFailure(null);
    setOutdated(false);
    try {
      const answer = await send(write, planned.version ?? version);
      toast(done);
      onDone(answer);
    } catch (error) {
      if (isOutdated(error, planned)) {
        // The tenant changed after the plan. A plan with the same effect is what the person agreed to.
        const { data } = await plan.refetch();
        if (data !== undefined && triesLeft > 0 && effectOf(data) === effectOf(planned))
          return apply(data, triesLeft - 1);
        setOutdated(data !== undefined);
      } else refused(error);
      setBusy(false);
    }
  };
  return (
    <>
      {plan.isPending && <Skeleton lines={3} />}
      {outdated && <p className="note warn">Something changed since this plan was made. This is the new plan.</p>}
      {failure !== null && (
        <p className="note bad" role="alert">
          {messageOf(failure)}
        </p>
      )}
      {plan.data !== undefined && <Effects plan={plan.data.value} />}
      <footer className="row">
        <Button onClick={onBack}>{onRefused === undefined ? 'Cancel' : 'Back'}</Button>
        <Button
          look={danger ? 'danger solid' : 'primary'}
          busy={busy || plan.data === undefined}
          onClick={() => plan.data !== undefined && void apply(plan.data)}
        >
          {[verb, plan.data === undefined ? '' : effectText(plan.data.value)].filter(Boolean).join(': ')}
        </Button>
      </footer>
    </>
  );
}

/** Sends a write, and reads again what the page shows. */
export async function send({ method, path, body, version }: PlannedWrite, match = version): Promise<unknown> {
  const { value } = await request(method, path, body, ifMatch(match));
  await queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'plan' });
  return value;
}

const isOutdated = (error: unknown, { version }: Versioned<DryRun>): boolean =>
  version !== null && error instanceof ApiFailure && error.code === 'precondition_failed';

/** What a plan does, apart from the revision that it was made at. */
function effectOf({ value: { changes, gained, lost, pairs } }: Versioned<DryRun>): string {
  // Each dry run of a new object makes another id for it.
  const named = changes.map(({ action, kind, name, id }) => [action, kind, name, action === 'create' ? '' : id]);
  return JSON.stringify([named, gained, lost, pairs]);
}

const ifMatch = (version: string | null | undefined): Record<string, string> =>
  version === undefined || version === null ? {} : { 'if-match': version };
const withDryRun = (path: string): string => `${path}${path.includes('?') ? '&' : '?'}dry-run=true`;
const belongsToForm = ({ code, fields }: ApiFailure): boolean => fields.length > 0 || code === 'precondition_failed';
