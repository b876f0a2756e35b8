import { useBlocker } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, use, useEffect, useRef, useState } from 'react';
import { type ApiFailure, failureOf, type Versioned } from '../data/api.ts';
import { Conflict } from './conflict.tsx';
import { Button, DialogContext, Discard } from './kit.tsx';
import { Plan, type PlannedWrite, send } from './plan.tsx';

/** Names of fields, as people read them. The keys are the first part of the JSON pointers in answers. */
export type Labels<V> = Readonly<Record<keyof V & string, string>>;

/** What a form holds: what people typed, what it began with, and what the controller refused. */
export interface FormState<V extends object> {
  readonly values: V;
  readonly labels: Labels<V>;
  readonly failure: ApiFailure | null;
  readonly changed: boolean;
  set(changes: Partial<V>): void;
  /** Value, change handler and error of a text field or choice. */
  field(name: keyof V & string): {
    value: string;
    onChange: (event: { target: { value: string } }) => void;
    error: string | undefined;
  };
  /** The error for a field that is neither a text field nor a choice. */
  error(name: keyof V & string): string | undefined;
}

interface Inside<V extends object> extends FormState<V> {
  readonly start: V;
  readonly version: string | null;
  /** Which field shows an error, by its pointer. */
  fieldOf(pointer: string): string;
  refuse(failure: ApiFailure | null): void;
  /** Continues on another state of the object, with chosen values. */
  rebase(start: Versioned<V>, values: V): void;
  /** Takes the values as saved. It counts at once, before the next drawing. */
  saved(): void;
  readonly held: { readonly current: boolean };
}

/**
 * Holds the values of a form. `aliases`: fields of requests that another field of the form shows, such as
 * `{ users: 'who' }`.
 */
export function useForm<V extends object>(
  labels: Labels<V>,
  initial: V,
  version: string | null = null,
  aliases: Readonly<Record<string, keyof V & string>> = {},
): FormState<V> {
  const [state, setState] = useState({ start: initial, values: initial, version });
  const [failure, refuse] = useState<ApiFailure | null>(null);
  const { start, values } = state;
  const changed = JSON.stringify(values) !== JSON.stringify(start);
  const held = useRef(false);
  held.current = changed;
  const set = (changes: Partial<V>) => setState((before) => ({ ...before, values: { ...before.values, ...changes } }));
  const fieldOf = (pointer: string): string => {
    const [, name = ''] = pointer.split('/');
    return aliases[name] ?? name;
  };
  const error = (name: keyof V & string) => failure?.fields.find(({ pointer }) => fieldOf(pointer) === name)?.message;
  const form: Inside<V> = {
    ...state,
    labels,
    failure,
    changed,
    held,
    fieldOf,
    set,
    refuse,
    rebase: (next, chosen) => setState({ start: next.value, values: chosen, version: next.version }),
    saved: () => {
      held.current = false;
      setState((before) => ({ ...before, start: before.values }));
      refuse(null);
    },
    error,
    field: (name) => ({
      value: String(values[name]),
      onChange: ({ target }) => set({ [name]: target.value } as Partial<V>),
      error: error(name),
    }),
  };
  return form;
}

interface FormProps<V extends object> {
  readonly form: FormState<V>;
  /** Of the button: `Create group`. */
  readonly verb: string;
  /** What to send. A write with `plan` shows who gains and who loses access first. */
  readonly write: (values: V) => PlannedWrite | Promise<PlannedWrite>;
  /** Reads the object again after a conflict. */
  readonly reload?: () => Promise<Versioned<V>>;
  /** How a value reads in the view of a conflict. */
  readonly show?: (name: keyof V & string, value: unknown) => string;
  readonly onDone?: (answer: unknown) => void;
  readonly disabled?: boolean;
  readonly children: ReactNode;
}

/**
 * A form in a dialog or on a page. Errors that the controller finds stand at their fields, others on top. Changes are not
 * left without a question. When the object changed meanwhile, the form shows theirs and yours, field by field.
 */
export function Form<V extends object>(props: FormProps<V>) {
  const form = props.form as Inside<V>;
  const { verb, children, disabled = false } = props;
  const dialog = use(DialogContext);
  const element = useRef<HTMLFormElement>(null);
  const { busy, submit, plan, conflict, settle, done, endPlan } = useSubmission(form, props);
  const leaving = useHold(form, dialog);
  useEffect(() => {
    if (form.failure !== null) element.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [form.failure]);
  if (conflict !== null)
    return (
      <Conflict
        form={form}
        theirs={conflict}
        show={props.show ?? shown}
        onChoose={settle}
        onCancel={() => settle(null)}
      />
    );
  return (
    <>
      {plan !== null && <Plan write={plan} onBack={endPlan} onRefused={endPlan} onDone={done} />}
      <form ref={element} className="stack form" onSubmit={submit} hidden={plan !== null} noValidate={false}>
        <Problems form={form} />
        {children}
        {leaving !== null && <Discard onKeep={leaving.stay} onDiscard={leaving.go} />}
        {!disabled && (
          <footer className="row">
            {dialog !== null && <Button onClick={dialog.close}>Cancel</Button>}
            <Button type="submit" look="primary" busy={busy} disabled={dialog === null && !form.changed}>
              {verb}
            </Button>
          </footer>
        )}
      </form>
    </>
  );
}

/** Sends what the form holds: by way of a plan where the write asks for one, and of a choice after a conflict. */
function useSubmission<V extends object>(form: Inside<V>, { write, reload, onDone }: FormProps<V>) {
  const [busy, setBusy] = useState(false);
  const [plan, setPlan] = useState<PlannedWrite | null>(null);
  const [conflict, setConflict] = useState<Versioned<V> | null>(null);
  const refused = async (error: unknown) => {
    const failure = failureOf(error);
    form.refuse(failure);
    if (failure.code === 'precondition_failed' && reload !== undefined)
      await reload().then(setConflict, (problem) => form.refuse(failureOf(problem)));
  };
  const done = (answer: unknown) => {
    form.saved();
    setPlan(null);
    onDone?.(answer);
  };
  const attempt = async (values: V, version: string | null) => {
    setBusy(true);
    try {
      const planned = await write(values);
      const versioned = version === null ? planned : { ...planned, version };
      form.refuse(null);
      if (versioned.direct === true) done(await send(versioned));
      else setPlan(versioned);
    } catch (error) {
      await refused(error);
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    plan,
    conflict,
    done,
    submit: (event: FormEvent) => {
      event.preventDefault();
      if (!busy) void attempt(form.values, form.version);
    },
    endPlan: (error?: unknown) => {
      setPlan(null);
      if (error !== undefined) void refused(error);
    },
    settle: (chosen: V | null) => {
      setConflict(null);
      if (chosen === null || conflict === null) return;
      form.rebase(conflict, chosen);
      void attempt(chosen, conflict.version);
    },
  };
}

/** Asks before changes are left: by closing the dialog, another page, or the browser. */
function useHold<V extends object>(form: Inside<V>, dialog: { hold: (changed: boolean) => void } | null) {
  useEffect(() => {
    dialog?.hold(form.changed);
    return () => dialog?.hold(false);
  }, [dialog, form.changed]);
  const blocker = useBlocker({
    shouldBlockFn: () => form.held.current,
    enableBeforeUnload: () => form.held.current,
    withResolver: true,
  });
  return blocker.status === 'blocked' ? { stay: blocker.reset, go: blocker.proceed } : null;
}

/** What no field of the form can show. */
function Problems<V extends object>({ form }: { form: Inside<V> }) {
  const { failure, labels } = form;
  if (failure === null) return null;
  const others = failure.fields.filter(({ pointer }) => !(form.fieldOf(pointer) in labels));
  if (failure.fields.length > 0 && others.length === 0) return null;
  return (
    <div className="note bad" role="alert">
      <p>{failure.message}</p>
      {others.map(({ pointer, message }) => (
        <p key={pointer}>{message}</p>
      ))}
    </div>
  );
}

function shown(_: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.join(', ');
  return value === undefined || value === null ? '' : String(value);
}
