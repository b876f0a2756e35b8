import type { DryRun } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Button, Dialog, plural, Skeleton, toast } from './kit.tsx';

/** A write that is tried before it happens. */
export interface PlannedWrite {
  readonly title: string;
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  /** Of the button: `Delete policy`. */
  readonly verb: string;
  readonly done: string;
  readonly danger?: boolean;
}

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
  return (
    <Dialog title={write?.title ?? ''} open={write !== null} onClose={onClose}>
      {write !== null && <Plan write={write} onClose={onClose} {...(onDone === undefined ? {} : { onDone })} />}
    </Dialog>
  );
}

function Plan({ write, onClose, onDone }: { write: PlannedWrite; onClose: () => void; onDone?: () => void }) {
  const { method, path, body, verb, done, danger } = write;
  const plan = useQuery({
    queryKey: ['plan', method, path, body],
    gcTime: 0,
    retry: false,
    queryFn: () => call<never>(method, `${path}?dry-run=true`, body as never) as Promise<DryRun>,
  });
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const apply = async () => {
    setBusy(true);
    try {
      await call<never>(method, path, body as never);
      await queryClient.invalidateQueries();
      toast(done);
      onDone?.();
      onClose();
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };
  const error = failure ?? plan.error;
  return (
    <>
      {plan.isPending && <Skeleton lines={3} />}
      {error !== null && (
        <p className="note bad" role="alert">
          {messageOf(error)}
        </p>
      )}
      {plan.data !== undefined && <Effects plan={plan.data} />}
      <footer>
        <Button onClick={onClose}>Cancel</Button>
        <Button look={danger ? 'danger solid' : 'primary'} busy={busy || plan.data === undefined} onClick={apply}>
          {plan.data === undefined ? verb : buttonText(verb, plan.data)}
        </Button>
      </footer>
    </>
  );
}

const buttonText = (verb: string, { gained, lost }: DryRun): string => {
  const effects = [
    lost > 0 ? `${lost} ${lost === 1 ? 'loses' : 'lose'} access` : '',
    gained > 0 ? `${gained} ${gained === 1 ? 'gains' : 'gain'} access` : '',
  ].filter(Boolean);
  return effects.length === 0 ? verb : `${verb}: ${effects.join(', ')}`;
};

function Effects({ plan: { gained, lost, samples } }: { plan: DryRun }) {
  if (gained === 0 && lost === 0) return <p>Nobody gains or loses access by this.</p>;
  return (
    <>
      <div className="figures">
        <div className="figure">
          <strong>{gained.toLocaleString('en')}</strong>
          {gained === 1 ? 'gains access' : 'gain access'}
        </div>
        <div className="figure">
          <strong>{lost.toLocaleString('en')}</strong>
          {lost === 1 ? 'loses access' : 'lose access'}
        </div>
      </div>
      <ul className="stack tight small">
        {samples.map(({ change, device, resource }) => (
          <li key={`${change} ${device} ${resource}`}>
            <Name kind="device" id={device} /> {change === 'lost' ? 'loses' : 'gains'}{' '}
            <Name kind="resource" id={resource} />
          </li>
        ))}
        {gained + lost > samples.length && (
          <li className="muted">and {plural(gained + lost - samples.length, 'more pair')} of device and resource</li>
        )}
      </ul>
    </>
  );
}

/** The name of a device or resource; its id until the name is known. */
function Name({ kind, id }: { kind: 'device' | 'resource'; id: string }) {
  const { data } = useRead<'getDevice' | 'getResource'>(kind, `/tenants/${kind}s/${id}`);
  return <>{data?.name ?? id}</>;
}
