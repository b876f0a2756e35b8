import type { Gateway, TestConfiguration } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { Button, toast } from '../kit/kit.tsx';

/** Tests a gateway from outside and inside, and says what to do about what fails. */
export function TestGateway({ gateway }: { gateway: Gateway }) {
  const [result, setResult] = useState<TestConfiguration | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      setResult(await call<'testGateway'>('POST', `/tenants/gateways/${gateway.id}/test-configuration`));
    } catch (failure) {
      toast(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="stack" aria-label="Test">
      <div>
        <Button busy={busy} onClick={() => void run()}>
          {busy ? 'Testing…' : 'Test gateway'}
        </Button>
      </div>
      <div>
        {result === null ? (
          <p className="muted">
            Checks whether the gateway is reached from outside, and whether it reaches its resources.
          </p>
        ) : (
          <div className={`note ${result.status === 'ONLINE' ? 'good' : 'bad'}`}>
            <p>
              <strong>{result.status === 'ONLINE' ? 'It works' : (result.error ?? result.status)}</strong>
            </p>
            {(result.details ?? '').split('\n').map((line) => (
              <p key={line}>{line}</p>
            ))}
          </div>
        )}
      </div>
    </section>
  );
}
