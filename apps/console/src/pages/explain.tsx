import type { Explanation } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { Ago, Button, Choice, Field, Status } from '../kit/kit.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';

interface Question {
  readonly device?: string;
  readonly destination?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'ICMP';
  readonly port?: string | number;
}

/** Says why a device may or may not reach an address. The question lives in the address of the page. */
export function ExplainPage() {
  const asked = useSearch({ strict: false }) as Question;
  const navigate = useNavigate();
  const devices = useRead<'listDevices'>('device', '/tenants/devices?limit=100');
  const [form, setForm] = useState<Question>({ protocol: 'TCP', port: '443', ...asked });
  const [answer, setAnswer] = useState<Explanation | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => {
    const { device, destination, protocol = 'TCP', port } = asked;
    if (device === undefined || destination === undefined) return;
    setFailure(null);
    const body = { device, destination, protocol, ...(protocol === 'ICMP' ? {} : { port: Number(port) }) };
    call<'explainAccess'>('POST', '/tenants/access/explain', body).then(
      ({ answers }) => setAnswer(answers[0] ?? null),
      (error) => {
        setAnswer(null);
        setFailure(error);
      },
    );
  }, [asked]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const device = form.device ?? devices.data?.data[0]?.id;
    void navigate({ search: { ...form, device } } as never);
  };
  return (
    <>
      <div className="head">
        <h1>Explain access</h1>
      </div>
      <form className="filters" onSubmit={submit}>
        <Choice
          label="Device"
          value={form.device ?? ''}
          onChange={(event) => setForm({ ...form, device: event.target.value })}
        >
          {(devices.data?.data ?? []).map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Choice>
        <Field
          label="Address"
          placeholder="10.0.0.5"
          value={form.destination ?? ''}
          onChange={(event) => setForm({ ...form, destination: event.target.value.trim() })}
          required
        />
        <Choice
          label="Protocol"
          value={form.protocol ?? 'TCP'}
          onChange={(event) => setForm({ ...form, protocol: event.target.value as 'TCP' })}
        >
          <option>TCP</option>
          <option>UDP</option>
          <option>ICMP</option>
        </Choice>
        {form.protocol !== 'ICMP' && (
          <Field
            label="Port"
            inputMode="numeric"
            value={form.port ?? ''}
            onChange={(event) => setForm({ ...form, port: event.target.value })}
            required
          />
        )}
        <Button type="submit" look="primary">
          Explain
        </Button>
      </form>
      {failure !== null && (
        <p className="note bad" role="alert">
          {messageOf(failure)}
        </p>
      )}
      {answer !== null && <Answer answer={answer} asked={asked} />}
    </>
  );
}

function Answer({ answer, asked }: { answer: Explanation; asked: Question }) {
  const matched = answer.policies.filter(({ outcome }) => outcome !== 'no-match');
  const others = answer.policies.length - matched.length;
  return (
    <div className="stack" aria-live="polite">
      <div className={`verdict ${answer.allowed ? 'yes' : 'no'}`}>
        <h2>
          {answer.device?.name} {answer.allowed ? 'may reach' : 'may not reach'} {asked.destination}
        </h2>
        <p>{answer.reason}</p>
        {answer.validUntil !== undefined && (
          <p className="muted">
            This can change by itself <Ago at={answer.validUntil} />.
          </p>
        )}
      </div>
      {!answer.allowed && <Allow answer={answer} />}
      <section className="card" aria-labelledby="walk">
        <header>
          <h2 id="walk">Policies, in order</h2>
        </header>
        <ol className="body stack">
          {matched.map(({ id, name, outcome, reason, conditions }) => (
            <li key={id} className="stack tight">
              <Status meaning={outcome === 'allowed' ? 'good' : outcome === 'denied' ? 'bad' : 'off'}>
                <strong>{name}</strong>
              </Status>
              <p>{reason}</p>
              {(conditions ?? []).map(({ expression, met, values }) => (
                <p key={expression} className="small">
                  <Status meaning={met ? 'good' : 'bad'}>{met ? 'met' : 'not met'}</Status> <code>{expression}</code>
                  <span className="muted"> with {JSON.stringify(values)}</span>
                </p>
              ))}
            </li>
          ))}
          {others > 0 && (
            <li className="muted">{others === 1 ? 'One policy does' : `${others} policies do`} not match.</li>
          )}
          {answer.policies.length === 0 && (
            <li className="muted">There is no policy to look at: no resource has this address.</li>
          )}
        </ol>
      </section>
      {answer.gateways.length > 0 && (
        <section className="card" aria-labelledby="carriers">
          <header>
            <h2 id="carriers">Gateways that could carry it</h2>
          </header>
          <ul className="body stack">
            {answer.gateways.map(({ id, name, chosen, reason, applied }) => (
              <li key={id}>
                <Status meaning={chosen ? 'good' : 'off'}>
                  <strong>{name}</strong>
                </Status>
                <p>{reason}</p>
                {applied !== 'unknown' && (
                  <p className="muted">
                    {applied === 'agrees'
                      ? 'What is in force there agrees.'
                      : 'What is in force there differs: it still applies a change.'}
                  </p>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

/** From a denied attempt to a policy: one click for the draft, one for the plan. */
function Allow({ answer }: { answer: Explanation }) {
  const me = useSignedIn();
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { device, resources } = answer;
  if (!mayWrite(me) || device === undefined) return null;
  if (resources.length === 0)
    return <p className="note">No resource has this address. Create one first, then a policy can allow it.</p>;
  return (
    <div className="note">
      <p>
        <strong>What would allow this?</strong>
      </p>
      <ul className="stack tight">
        {resources.map(({ id, name }) => (
          <li key={id} className="row between">
            <span>
              A policy that allows {device.name} to reach {name}
            </span>
            <Button
              onClick={() =>
                setWrite({
                  title: `Allow ${device.name} to reach ${name}`,
                  method: 'POST',
                  path: '/tenants/policies',
                  body: {
                    name: `${device.name} to ${name}`.slice(0, 120),
                    action: true,
                    type: 'PRIVATE',
                    devices: [device.id],
                    resources: [id],
                  },
                  verb: 'Create policy',
                  done: `${device.name} may reach ${name} now.`,
                })
              }
            >
              Draft policy
            </Button>
          </li>
        ))}
      </ul>
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </div>
  );
}
