import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient } from '../data/queries.ts';
import { Button, Dialog, toast } from '../kit/kit.tsx';
import { plural } from '../kit/text.ts';

interface Upgraded {
  readonly id: string;
  readonly name: string;
}

/** Asks before gateways are upgraded, and says which of them were refused. */
export function UpgradeDialog({
  gateways,
  leftOut = 0,
  onClose,
  onDone,
}: {
  /** Null: closed. */
  gateways: readonly Upgraded[] | null;
  /** Number of selected gateways that cannot be upgraded now. */
  leftOut?: number;
  onClose: () => void;
  onDone?: () => void;
}) {
  const [busy, setBusy] = useState(false);
  const [refusals, setRefusals] = useState<readonly string[]>([]);
  const all = gateways ?? [];
  const verb = all.length === 1 ? `Upgrade ${all[0]?.name}` : `Upgrade ${plural(all.length, 'gateway')}`;
  const close = () => {
    setRefusals([]);
    onClose();
  };
  const upgrade = async () => {
    setBusy(true);
    const refused: string[] = [];
    for (const { id, name } of all)
      await call<'upgradeGateway'>('POST', `/tenants/gateways/${id}/upgrade`, {}).catch((failure) =>
        refused.push(`${name}: ${messageOf(failure)}`),
      );
    setBusy(false);
    await queryClient.invalidateQueries({ queryKey: ['gateway'] });
    if (refused.length > 0) return setRefusals(refused);
    toast(all.length === 1 ? 'The upgrade begins.' : 'The upgrades begin, one after the other.');
    onDone?.();
    close();
  };
  return (
    <Dialog title={verb} open={gateways !== null} onClose={close}>
      {refusals.length === 0 ? (
        <p>
          The new version runs beside the tunnels, and no packet is lost. When it is not healthy, the old version
          returns by itself{all.length > 1 ? ', and the gateways that still wait are not upgraded' : ''}.
        </p>
      ) : (
        <ul className="stack tight note bad" role="alert">
          {refusals.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      {leftOut > 0 && (
        <p className="muted">
          {leftOut === 1
            ? '1 selected gateway is left out: it has'
            : `${leftOut} selected gateways are left out: they have`}{' '}
          this version, {leftOut === 1 ? 'waits for it, or its host does' : 'wait for it, or their hosts do'} not let
          the controller upgrade it.
        </p>
      )}
      <footer className="row">
        <Button onClick={close}>{refusals.length === 0 ? 'Cancel' : 'Close'}</Button>
        {refusals.length === 0 && (
          <Button look="primary" disabled={busy} onClick={() => void upgrade()}>
            {verb}
          </Button>
        )}
      </footer>
    </Dialog>
  );
}
