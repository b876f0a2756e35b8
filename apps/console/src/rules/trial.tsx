import type { RuleTrial } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { Ago, Field, Status } from '../kit/kit.tsx';
import { type Picked, Picker, Segments } from '../kit/picker.tsx';

/** Whom a rule is tried for, and when. */
export interface TriedFor {
  readonly kind: 'device' | 'user';
  readonly who: readonly Picked[];
  /** Local time as the browser's field has it; empty: now. */
  readonly at: string;
}

/** Checks the text after a pause of the typing, and evaluates it for the chosen device or user. */
export function useTrial(rule: string, timeZone: string, { kind, who, at }: TriedFor) {
  const [typed, setTyped] = useState(rule);
  useEffect(() => {
    const timer = setTimeout(() => setTyped(rule), 250);
    return () => clearTimeout(timer);
  }, [rule]);
  const body = {
    rule: typed,
    ...(timeZone === '' ? {} : { timeZone }),
    ...(who[0] === undefined ? {} : { [kind]: who[0].id }),
    ...(at === '' ? {} : { at: new Date(at).toISOString() }),
  };
  const { data, error } = useQuery({
    queryKey: ['admission-rule', 'trial', body],
    queryFn: () => call<'tryAdmissionRule'>('POST', '/tenants/admission-rules/try', body),
    enabled: typed.trim() !== '',
    placeholderData: (before) => before,
    gcTime: 0,
    retry: false,
  });
  return { trial: typed.trim() === '' ? undefined : data, error };
}

interface TrialProps {
  readonly tried: TriedFor;
  readonly onChange: (tried: TriedFor) => void;
  readonly trial: RuleTrial | undefined;
  readonly error: unknown;
}

/** Whether the rule is met for somebody, with the values that it reads. */
export function Trial({ tried, onChange, trial, error }: TrialProps) {
  return (
    <section className="card" aria-labelledby="trial">
      <header>
        <h2 id="trial">Try it</h2>
      </header>
      <div className="body stack">
        <Segments
          label="For"
          value={tried.kind}
          options={[
            ['device', 'A device'],
            ['user', 'A user on a new device'],
          ]}
          onChange={(kind) => onChange({ ...tried, kind, who: [] })}
        />
        <Picker
          key={tried.kind}
          label={tried.kind === 'device' ? 'Device' : 'User'}
          kind={tried.kind}
          single
          chosen={tried.who}
          onChange={(who) => onChange({ ...tried, who })}
        />
        <Field
          label="At"
          type="datetime-local"
          hint="In the time zone of this browser. Left empty, now."
          value={tried.at}
          onChange={(event) => onChange({ ...tried, at: event.target.value })}
        />
        <div aria-live="polite" className="stack tight">
          {error !== null && error !== undefined && <p className="note bad">{messageOf(error)}</p>}
          {trial?.problem !== undefined && <p className="muted">The result appears once the text is a rule.</p>}
          {trial?.result !== undefined && <Result result={trial.result} />}
          {trial !== undefined && trial.problem === undefined && trial.result === undefined && (
            <p className="muted">The text is a rule. Choose a device or a user to see its result.</p>
          )}
        </div>
      </div>
    </section>
  );
}

function Result({ result: { met, reason, validUntil, conditions } }: { result: NonNullable<RuleTrial['result']> }) {
  return (
    <>
      <div className={`verdict ${met ? 'yes' : 'no'}`}>
        <Status meaning={met ? 'good' : 'bad'}>
          <strong>{met ? 'The rule is met' : 'The rule is not met'}</strong>
        </Status>
        {!met && reason !== undefined && <p>{reason}</p>}
        {validUntil !== undefined && (
          <p className="muted">
            This can change on its own <Ago at={validUntil} />.
          </p>
        )}
      </div>
      <Conditions conditions={conditions} />
    </>
  );
}

type Condition = NonNullable<RuleTrial['result']>['conditions'][number];

/** Conditions of a rule, each with the values that it reads. */
export function Conditions({ conditions }: { conditions: readonly Condition[] }) {
  if (conditions.length === 0) return null;
  return (
    <ul className="conditions">
      {conditions.map(({ expression, met, values, reason }) => (
        <li key={expression}>
          <Status meaning={met ? 'good' : 'bad'}>{met ? 'met' : 'not met'}</Status>
          <div className="stack tight">
            <code>{expression}</code>
            {Object.entries(values).map(([name, value]) => (
              <p key={name} className="small">
                <span className="muted">{name} is </span>
                {value === null ? <em>not known</em> : <code>{JSON.stringify(value)}</code>}
              </p>
            ))}
            {!met && saysMore(reason) && <p className="small muted">{reason}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

/** Whether a reason says more than the values beside it. */
const saysMore = (reason: string | undefined): boolean =>
  reason !== undefined && reason !== 'it is not true' && !reason.endsWith(' is not known');
