import { useId, useState } from 'react';
import type { Versioned } from '../data/api.ts';
import { Button } from './kit.tsx';

interface ConflictProps<V extends object> {
  readonly form: { readonly start: V; readonly values: V; readonly labels: Readonly<Record<string, string>> };
  readonly theirs: Versioned<V>;
  readonly show: (name: keyof V & string, value: unknown) => string;
  readonly onChoose: (values: V) => void;
  readonly onCancel: () => void;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Shows what another person saved meanwhile beside what this person typed. Each field takes one of the two. */
export function Conflict<V extends object>({ form, theirs, show, onChoose, onCancel }: ConflictProps<V>) {
  const id = useId();
  const { start, values, labels } = form;
  const names = Object.keys(labels) as (keyof V & string)[];
  const differing = names.filter((name) => !same(values[name], theirs.value[name]));
  const untouched = (name: keyof V & string) => same(values[name], start[name]);
  const [mine, setMine] = useState(() => new Set(differing.filter((name) => !untouched(name))));
  const choose = () => {
    const chosen = { ...theirs.value };
    for (const name of mine) chosen[name] = values[name];
    onChoose(chosen);
  };
  const take = (name: keyof V & string, own: boolean) => {
    const next = new Set(mine);
    if (own) next.add(name);
    else next.delete(name);
    setMine(next);
  };
  return (
    <div className="stack">
      <div className="note warn" role="alert">
        <p>
          <strong>Another person changed this meanwhile.</strong> Nothing of yours is saved yet. Choose a value for each
          field.
        </p>
      </div>
      {differing.length === 0 && <p>Their values are the same as yours.</p>}
      {differing.map((name) => (
        <fieldset key={name} className="versus">
          <legend className="label">{labels[name]}</legend>
          {([false, true] as const).map((own) => (
            <label key={String(own)} className="check">
              <input
                type="radio"
                name={`${id}-${name}`}
                checked={mine.has(name) === own}
                onChange={() => take(name, own)}
              />
              <span>
                <span className="muted">{own ? 'Yours' : 'Theirs'}: </span>
                {show(name, (own ? values : theirs.value)[name]) || <em>empty</em>}
              </span>
            </label>
          ))}
        </fieldset>
      ))}
      <footer className="row">
        <Button onClick={onCancel}>Back to the form</Button>
        <Button look="primary" onClick={choose}>
          Save these values
        </Button>
      </footer>
    </div>
  );
}
