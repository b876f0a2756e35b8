import type { Explanation } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { Allow } from '../access/allow.tsx';
import { Walk } from '../access/walk.tsx';
import { call, messageOf } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Ago, Button, Choice, Field, Skeleton, Status } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';

interface Question {
  readonly device?: string;
  readonly destination?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'ICMP';
  readonly port?: string | number;
  /** Local time as the browser's field has it; left out: now. */
  readonly at?: string;
}

/** Says why a device may or may not reach an address. The question lives in the address of the page. */
export function ExplainPage() {
  const asked = useSearch({ strict: false }) as Question;
  const { data: answer, error, isFetching, refetch } = useAnswer(asked);
  const known = asked.device !== undefined && asked.destination !== undefined;
  return (
    <>
      <div className="head">
        <h1>Explain access</h1>
      </div>
      <Ask key={`${asked.device} ${asked.destination}`} asked={asked} />
      {!known && (
        <p className="muted">
          Choose a device and an address or host name. The answer says which policy decides, why, and what would change
          it.
        </p>
      )}
      {known && error === null && answer === undefined && <Skeleton />}
      {error !== null && (
        <p className="note bad" role="alert">
          {messageOf(error)}
        </p>
      )}
      {answer !== undefined && answer !== null && error === null && (
        <div className="stack" aria-live="polite">
          <Verdict answer={answer} asked={asked} />
          {!answer.allowed && <Allow answer={answer} destination={asked.destination ?? ''} />}
          <div className="columns">
            <Walk policies={answer.policies} />
            <Carriers gateways={answer.gateways} busy={isFetching} onCheck={() => void refetch()} />
          </div>
        </div>
      )}
    </>
  );
}

function useAnswer({ device, destination, protocol = 'TCP', port, at }: Question) {
  const body = {
    device,
    destination,
    protocol,
    ...(protocol === 'ICMP' ? {} : { port: Number(port ?? 443) }),
    ...(at === undefined || at === '' ? {} : { at: new Date(at).toISOString() }),
  };
  return useQuery({
    queryKey: ['explain', body],
    enabled: device !== undefined && destination !== undefined,
    retry: false,
    queryFn: async (): Promise<Explanation | null> =>
      (await call<'explainAccess'>('POST', '/tenants/access/explain', body as never)).answers[0] ?? null,
  });
}

function Ask({ asked }: { asked: Question }) {
  const navigate = useNavigate();
  const [form, setForm] = useState<Question>({ protocol: 'TCP', port: '443', ...asked });
  const [devices, setDevices] = useState<readonly Picked[]>([]);
  const named = useRead<'getDevice'>('device', `/tenants/devices/${asked.device}`, asked.device !== undefined);
  const { id, name } = named.data ?? {};
  useEffect(() => {
    if (id !== undefined && name !== undefined) setDevices([{ id, name }]);
  }, [id, name]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const [device] = devices;
    if (device === undefined) return;
    const { destination = '', at } = form;
    const search = { ...form, destination: inAscii(destination), device: device.id, at: at === '' ? undefined : at };
    void navigate({ search } as never);
  };
  const text = (field: 'destination' | 'port' | 'at') => ({
    value: String(form[field] ?? ''),
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [field]: event.target.value.trim() }),
  });
  return (
    <form className="filters ask" onSubmit={submit}>
      <Picker label="Device" kind="device" single chosen={devices} onChange={setDevices} />
      <Field label="Address or name" placeholder="10.0.0.5" {...text('destination')} required />
      <Choice
        label="Protocol"
        value={form.protocol ?? 'TCP'}
        onChange={(event) => setForm({ ...form, protocol: event.target.value as 'TCP' })}
      >
        <option>TCP</option>
        <option>UDP</option>
        <option>ICMP</option>
      </Choice>
      {form.protocol !== 'ICMP' && <Field label="Port" inputMode="numeric" {...text('port')} required />}
      <Field label="At (empty: now)" type="datetime-local" {...text('at')} />
      <Button type="submit" look="primary" disabled={devices.length === 0}>
        Explain
      </Button>
    </form>
  );
}

/** Returns a host name as the controller stores it; any other text as it is. */
function inAscii(text: string): string {
  if (!/[^0-9a-f.:]/i.test(text)) return text;
  try {
    return new URL(`http://${text}`).hostname;
  } catch {
    return text;
  }
}

/** Says what a destination is, when it is a host name. */
function NameLine({ name }: { name: NonNullable<Explanation['name']> }) {
  const { virtualAddresses, wildcards } = name;
  return (
    <p className="muted">
      {name.unicode === undefined ? name.name : `${name.unicode} (${name.name})`}{' '}
      {virtualAddresses.length === 0
        ? 'gets an address when a device asks for it'
        : `has the virtual addresses ${virtualAddresses.join(' and ')}`}
      {wildcards.length === 0
        ? '.'
        : `, and ${wildcards.join(' and ')} ${wildcards.length === 1 ? 'covers' : 'cover'} it.`}
    </p>
  );
}

function Verdict({ answer, asked }: { answer: Explanation; asked: Question }) {
  const { allowed, device, policy, policies, reason, resources, validUntil, gateways } = answer;
  const deciding = policies.find(({ id }) => id === policy);
  const carrier = gateways.find(({ chosen }) => chosen);
  const port = asked.protocol === 'ICMP' ? 'ICMP' : `${asked.protocol ?? 'TCP'} ${asked.port ?? 443}`;
  return (
    <div className={`verdict ${allowed ? 'yes' : 'no'}`}>
      <h2>
        {device?.name} {allowed ? 'may reach' : 'may not reach'}{' '}
        {allowed && resources[0] !== undefined ? `${resources[0].name} at ${asked.destination}` : asked.destination}
        <span className="muted">, {port}</span>
      </h2>
      <p>
        {deciding === undefined
          ? sentence(reason)
          : `The policy “${deciding.name}” ${allowed ? 'allows' : 'denies'} it.`}
        {allowed && carrier !== undefined && ` ${carrier.name} carries it.`}
      </p>
      {answer.name !== undefined && <NameLine name={answer.name} />}
      {validUntil !== undefined && (
        <p className="muted">
          This can change on its own <Ago at={validUntil} />.
        </p>
      )}
    </div>
  );
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const inForce = {
  agrees: ['good', 'What is in force there agrees.'],
  differs: ['warn', 'What is in force there differs: it still applies a change.'],
  unknown: ['off', 'What is in force there is not known: the gateway is not connected.'],
} as const;

interface CarriersProps {
  readonly gateways: Explanation['gateways'];
  readonly busy: boolean;
  readonly onCheck: () => void;
}

function Carriers({ gateways, busy, onCheck }: CarriersProps) {
  return (
    <section className="card" aria-labelledby="carriers">
      <header className="row between">
        <h2 id="carriers">Gateways that could carry it</h2>
        <Button busy={busy} onClick={onCheck}>
          Check again
        </Button>
      </header>
      <ul className="body stack wraps">
        {gateways.length === 0 && <li className="muted">None: no gateway serves this address.</li>}
        {gateways.map(({ id, name, chosen, reason, applied, resolution }) => (
          <li key={id} className="stack tight">
            <span className="row">
              <Status meaning={chosen ? 'good' : 'off'}>
                <strong>{name}</strong>
              </Status>
              {chosen && <span className="chip">chosen</span>}
            </span>
            <p>{sentence(reason)}</p>
            {resolution !== undefined && <p className="small">{sentence(resolution)}</p>}
            <Status meaning={inForce[applied][0]}>
              <span className="small">{inForce[applied][1]}</span>
            </Status>
          </li>
        ))}
      </ul>
    </section>
  );
}
