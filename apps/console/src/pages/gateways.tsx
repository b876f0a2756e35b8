import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { mayWrite } from '../data/queries.ts';
import { GatewayDialog } from '../forms/gateway-form.tsx';
import { Button } from '../kit/kit.tsx';
import { ListPage } from '../list/list.tsx';
import { gatewayList } from '../lists/gateways.tsx';
import { useSignedIn } from '../shell/me.ts';

/** Gateways of the tenant. */
export function GatewaysPage() {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <ListPage
        list={gatewayList}
        title="Gateways"
        action={
          mayWrite(me) && (
            <Button look="primary" onClick={() => setCreating(true)}>
              New gateway
            </Button>
          )
        }
      />
      <GatewayDialog
        open={creating}
        onClose={() => setCreating(false)}
        onDone={({ id }) => void navigate({ to: `/gateways/${id}` } as never)}
      />
    </>
  );
}
