import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, type ReactNode, useDeferredValue, useId, useState } from 'react';
import { request } from '../data/api.ts';
import { Button } from './kit.tsx';

/** An object that a person picked, with the name to show. */
export interface Picked {
  readonly id: string;
  readonly name: string;
}

/** Kinds of object that can be picked. The API finds them by `q`. */
export type PickedKind = 'group' | 'user' | 'device' | 'resource' | 'gateway';

interface PickerProps {
  readonly label: string;
  readonly kind: PickedKind;
  readonly chosen: readonly Picked[];
  readonly onChange: (chosen: readonly Picked[]) => void;
  /** Takes one object at most. */
  readonly single?: boolean;
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
  readonly disabled?: boolean;
}

/** A field that finds objects by name while one types, and holds those that were picked. */
export function Picker({ label, kind, chosen, onChange, single = false, hint, error, disabled = false }: PickerProps) {
  const id = useId();
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const { options, searching } = useOptions(kind, useDeferredValue(text), open, chosen);
  const explained = error !== undefined || hint !== undefined;
  const pick = (one: Picked | undefined) => {
    if (one === undefined) return;
    onChange(single ? [one] : [...chosen, one]);
    setText('');
    setAt(0);
    setOpen(false);
  };
  const drop = (one: Picked) => onChange(chosen.filter((other) => other.id !== one.id));
  const keys = (event: KeyboardEvent) => {
    const last = chosen.at(-1);
    if (event.key === 'ArrowDown') {
      if (open) setAt(Math.min(options.length - 1, at + 1));
      setOpen(true);
    } else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1));
    else if (event.key === 'Enter') pick(open ? options[at] : undefined);
    else if (event.key === 'Escape' && open) setOpen(false);
    else if (event.key === 'Backspace' && text === '' && last !== undefined) return drop(last);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="field picker">
      <label htmlFor={id}>{label}</label>
      {chosen.length > 0 && (
        <ul className="row">
          {chosen.map((one) => (
            <li key={one.id} className="chip">
              <span className="clip">{one.name}</span>
              {!disabled && (
                <button type="button" className="drop" onClick={() => drop(one)} aria-label={`Remove ${one.name}`}>
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {!disabled && !(single && chosen.length > 0) && (
        <div className="over">
          <input
            id={id}
            className="input"
            role="combobox"
            aria-expanded={open}
            aria-controls={`${id}-list`}
            aria-activedescendant={open && options[at] !== undefined ? `${id}-${at}` : undefined}
            aria-invalid={error !== undefined || undefined}
            aria-describedby={explained ? `${id}-about` : undefined}
            autoComplete="off"
            placeholder={`Type to find a ${kind}`}
            value={text}
            onFocus={() => setOpen(true)}
            onClick={() => setOpen(true)}
            onBlur={() => setOpen(false)}
            onKeyDown={keys}
            onChange={(event) => {
              setText(event.target.value);
              setOpen(true);
              setAt(0);
            }}
          />
          {open && (
            <div id={`${id}-list`} role="listbox" aria-label={label} className="options">
              {options.map((one, i) => (
                <Option key={one.id} id={`${id}-${i}`} selected={i === at} onPick={() => pick(one)}>
                  {one.name}
                </Option>
              ))}
              {options.length === 0 && (
                <div role="option" aria-selected="false" aria-disabled="true" tabIndex={-1} className="muted">
                  {searching ? 'Searching…' : `No other ${kind} has this name.`}
                </div>
              )}
            </div>
          )}
        </div>
      )}
      {explained && (
        <div id={`${id}-about`}>
          {error !== undefined && <p className="error">{error}</p>}
          {hint !== undefined && <p className="hint">{hint}</p>}
        </div>
      )}
    </div>
  );
}

function Option({ id, selected, onPick, children }: OptionProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the focus and handles the keys
    <div
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={selected}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onPick}
    >
      {children}
    </div>
  );
}

interface OptionProps {
  readonly id: string;
  readonly selected: boolean;
  readonly onPick: () => void;
  readonly children: ReactNode;
}

type Row = { readonly id: string; readonly name?: string; readonly email?: string };

/** Objects that fit the text and are not chosen yet. */
function useOptions(kind: PickedKind, text: string, open: boolean, chosen: readonly Picked[]) {
  const search = new URLSearchParams({
    limit: '50',
    fields: 'summary',
    ...(text.trim() === '' ? {} : { q: text.trim() }),
  });
  const path = `/tenants/${kind}s?${search}`;
  const { data, isPending } = useQuery({
    queryKey: [kind, path],
    queryFn: async () => (await request<Row[] | { data: Row[] }>('GET', path)).value,
    placeholderData: (before) => before,
    enabled: open,
  });
  const rows = Array.isArray(data) ? data : (data?.data ?? []);
  const taken = new Set(chosen.map(({ id }) => id));
  const options = rows
    .filter(({ id }) => !taken.has(id))
    .map((row) => ({ id: row.id, name: row.name ?? row.email ?? row.id }));
  return { options, searching: isPending };
}

/** A choice among a few values, all of them on the screen. */
export function Segments<T extends string>({ label, value, options, onChange, disabled = false }: SegmentsProps<T>) {
  return (
    <fieldset className="segments" disabled={disabled}>
      <legend className="label">{label}</legend>
      <span className="row nowrap">
        {options.map(([one, text]) => (
          <Button key={one} aria-pressed={one === value} onClick={() => onChange(one)}>
            {text}
          </Button>
        ))}
      </span>
    </fieldset>
  );
}

interface SegmentsProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly onChange: (value: T) => void;
  readonly disabled?: boolean;
}
