import type { AdmissionRule, Policy } from '@sallyport/contract';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { getVersioned, type Versioned } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { Edit } from '../forms/edit.tsx';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Button, Field } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { RuleEditor, type RuleFault, useInsert } from '../rules/editor.tsx';
import { Trial, type TriedFor, useTrial } from '../rules/trial.tsx';
import { asksForTime, examples, vocabulary } from '../rules/vocabulary.ts';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

interface Values {
  readonly name: string;
  readonly rule: string;
  readonly timeZone: string;
}

const labels: Labels<Values> = { name: 'Name', rule: 'Rule', timeZone: 'Time zone' };

const valuesOf = ({ name, rule = '', timeZone = '' }: AdmissionRule): Values => ({ name, rule, timeZone });

/** A new rule, or one to read, change and try. */
export function RulePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  if (id === 'new') return <RuleForm key="new" />;
  return (
    <Edit<'getAdmissionRule'> key={id} path={`/tenants/admission-rules/${id}`}>
      {(rule) => <RuleForm rule={rule} />}
    </Edit>
  );
}

function RuleForm({ rule }: { rule?: Versioned<AdmissionRule> }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const initial = rule === undefined ? { name: '', rule: '', timeZone: '' } : valuesOf(rule.value);
  const form = useForm<Values>(labels, initial, rule?.version ?? null);
  const { values, set } = form;
  const [tried, setTried] = useState<TriedFor>({ kind: 'device', who: [], at: '' });
  const { trial, error } = useTrial(values.rule, values.timeZone, tried);
  const { field, insert } = useInsert(values.rule, (text) => set({ rule: text }));
  const id = rule?.value.id;
  const may = mayWrite(me) && rule?.value.type !== 'ALLOW';
  const fault = trial?.problem ?? faultOf(form.failure?.fields);
  const reload = async () => {
    const { value, version } = await getVersioned<'getAdmissionRule'>(`/tenants/admission-rules/${id}`);
    return { value: valuesOf(value), version };
  };
  return (
    <>
      <div className="head">
        <h1>{rule?.value.name ?? 'New rule'}</h1>
        {rule !== undefined && may && (
          <Remove rule={rule.value} onDone={() => void navigate({ to: '/rules' } as never)} />
        )}
      </div>
      {id !== undefined && <UsedBy id={id} />}
      <div className="columns">
        <section className="card" aria-label="Rule">
          <div className="body">
            <Form
              form={form}
              verb={id === undefined ? 'Create rule' : 'See what changes'}
              write={(given) => writeOf(given, id)}
              reload={reload}
              onDone={() => void navigate({ to: '/rules' } as never)}
              disabled={!may}
            >
              <Field label={labels.name} {...form.field('name')} required maxLength={120} disabled={!may} />
              <RuleEditor
                label={labels.rule}
                value={values.rule}
                onChange={(text) => set({ rule: text })}
                fault={fault}
                field={field}
                disabled={!may}
              />
              {may && values.rule === '' && (
                <div className="stack tight">
                  <span className="label">Start from an example</span>
                  <span className="row">
                    {examples.map(({ title, rule: text }) => (
                      <Button
                        key={title}
                        onClick={() => set({ rule: text, ...(values.name === '' ? { name: title } : {}) })}
                      >
                        {title}
                      </Button>
                    ))}
                  </span>
                </div>
              )}
              <Field
                label={labels.timeZone}
                hint="Such as Europe/Zurich. Left empty, the time zone of the tenant."
                {...form.field('timeZone')}
                disabled={!may}
              />
            </Form>
          </div>
        </section>
        <div className="stack wide">
          <Trial tried={tried} onChange={setTried} trial={trial} error={error} />
          <Reference {...(may ? { onInsert: insert } : {})} />
        </div>
      </div>
    </>
  );
}

function writeOf({ name, rule, timeZone }: Values, id: string | undefined): PlannedWrite {
  const body = { name, rule, hasTimeConstraint: asksForTime(rule), timeZone: timeZone === '' ? null : timeZone };
  return id === undefined
    ? {
        title: `Create ${name}`,
        // No policy asks for it yet.
        direct: true,
        method: 'POST',
        path: '/tenants/admission-rules',
        body,
        verb: 'Create rule',
        done: `Created ${name}.`,
      }
    : {
        title: `Change ${name}`,
        method: 'PUT',
        path: `/tenants/admission-rules/${id}`,
        body,
        verb: 'Change rule',
        done: `Changed ${name}.`,
      };
}

/** The controller repeats the position in the message of the field. */
function faultOf(
  fields: readonly { pointer: string; line?: number; column?: number; message: string; hint?: string }[] = [],
) {
  const found = fields.find(({ pointer }) => pointer === '/rule');
  if (found?.line === undefined || found.column === undefined) return undefined;
  const { line, column, message, hint = '' } = found;
  return { line, column, message: message.replace(/^line \d+, column \d+: /, ''), hint } satisfies RuleFault;
}

function Remove({ rule: { id, name }, onDone }: { rule: AdmissionRule; onDone: () => void }) {
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  return (
    <>
      <Button look="danger" onClick={() => setWrite(deletionOf('rule', name, `/tenants/admission-rules/${id}`))}>
        Delete rule
      </Button>
      <PlanDialog write={write} onClose={() => setWrite(null)} onDone={onDone} />
    </>
  );
}

function UsedBy({ id }: { id: string }) {
  const { data } = useRead<'listPolicies'>('policy', '/tenants/policies');
  if (data === undefined) return null;
  const using = data.filter(({ rule }) => rule?.id === id);
  return (
    <p className="muted">
      {using.length === 0 ? 'No policy asks for this rule yet. ' : 'These policies ask for it: '}
      {using.map((policy: Policy, i) => (
        <span key={policy.id}>
          {i > 0 && ', '}
          <PageLink to="/policies" search={{ type: policy.type }}>
            {policy.name}
          </PageLink>
        </span>
      ))}
    </p>
  );
}

/** Every name that rules know, with its type. A click puts it into the rule. */
function Reference({ onInsert }: { onInsert?: (text: string) => void }) {
  return (
    <section className="card" aria-labelledby="reference">
      <header>
        <h2 id="reference">What rules can use</h2>
      </header>
      <div className="body stack">
        <p className="muted small">
          Join conditions with <code>&amp;&amp;</code> and <code>||</code>, compare with <code>==</code>,{' '}
          <code>!=</code>, <code>&lt;</code> and <code>&gt;</code>. A value that is not known fails its condition.
        </p>
        {vocabulary.map(({ title, words }) => (
          <details key={title}>
            <summary>{title}</summary>
            <ul className="words">
              {words.map(({ text, type, about }) => (
                <li key={text}>
                  {onInsert === undefined ? (
                    <code>{text}</code>
                  ) : (
                    <button
                      type="button"
                      className="insert"
                      onClick={() => onInsert(text)}
                      aria-label={`Insert ${text}`}
                    >
                      <code>{text}</code>
                    </button>
                  )}
                  <span className="small">
                    <span className="muted">{type}</span> · {about}
                  </span>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </div>
    </section>
  );
}
