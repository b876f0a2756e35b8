import { useState } from 'react';
import { mayWrite } from '../data/queries.ts';
import { Button } from '../kit/kit.tsx';
import { ListPage } from '../list/list.tsx';
import { deviceList } from '../lists/devices.tsx';
import { useSignedIn } from '../shell/me.ts';
import { AddDevice } from './add-device.tsx';

/** Devices of the tenant. */
export function DevicesPage() {
  const me = useSignedIn();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <ListPage
        list={deviceList}
        title="Devices"
        action={
          mayWrite(me) && (
            <Button look="primary" onClick={() => setAdding(true)}>
              Add device
            </Button>
          )
        }
      />
      <AddDevice open={adding} onClose={() => setAdding(false)} />
    </>
  );
}
