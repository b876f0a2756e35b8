import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { Button, Field } from '../kit/kit.tsx';
import { type Chip, chipWords, type FilterField } from './filters.ts';
import { Menu } from './menu.tsx';

interface FilterBarProps {
  readonly many: string;
  readonly q: string | null;
  readonly chips: readonly Chip[];
  readonly fields: readonly FilterField[];
  readonly onSearch: (q: string) => void;
  /** No values: the condition goes. */
  readonly onChip: (chip: Chip) => void;
  readonly onClear: () => void;
}

/** The conditions of a list: a text to search for, and chips that say what is shown. */
export function FilterBar({ many, q, chips, fields, onSearch, onChip, onClear }: FilterBarProps) {
  const free = fields.filter(({ field }) => !chips.some((chip) => chip.field === field));
  return (
    <>
      {q !== null && <SearchField many={many} q={q} onSearch={onSearch} />}
      {chips.map((chip) => (
        <span key={chip.field} className="filter-chip">
          <Menu look="plain" className="filter-text" text={chipWords(chip, fields)}>
            {(close) => <Editor chip={chip} fields={fields} onChip={onChip} onDone={close} />}
          </Menu>
          <Button
            look="plain"
            aria-label={`Remove filter: ${chipWords(chip, fields)}`}
            onClick={() => onChip({ ...chip, values: [] })}
          >
            ✕
          </Button>
        </span>
      ))}
      <Menu look="plain" text="+ Filter">
        {(close) => <NewFilter fields={fields} free={free} onChip={onChip} onDone={close} />}
      </Menu>
      {chips.length + (q === null || q === '' ? 0 : 1) > 1 && (
        <Button look="plain" onClick={onClear}>
          Clear all
        </Button>
      )}
    </>
  );
}

/** The pause after which a text is searched for, milliseconds. */
const typingMs = 200;

function SearchField({ many, q, onSearch }: { many: string; q: string; onSearch: (q: string) => void }) {
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(() => onSearch(text), typingMs);
    return () => clearTimeout(timer);
  }, [text, q, onSearch]);
  return (
    <input
      className="input search"
      type="search"
      maxLength={200}
      aria-label={`Search ${many}`}
      placeholder={`Search ${many}`}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}

function NewFilter({
  fields,
  free,
  onChip,
  onDone,
}: {
  fields: readonly FilterField[];
  /** Fields without a condition. */
  free: readonly FilterField[];
  onChip: (chip: Chip) => void;
  onDone: () => void;
}) {
  const [chip, setChip] = useState<Chip | null>(null);
  if (chip !== null)
    return (
      <Editor
        chip={chip}
        fields={fields}
        onDone={onDone}
        onChip={(next) => {
          setChip(next);
          onChip(next);
        }}
      />
    );
  if (free.length === 0) return <p className="muted">Every field has a condition. Change one of them.</p>;
  return (
    <ul className="menu-list">
      {free.map(({ field, label }, i) => (
        <li key={field}>
          <Button look="plain" autoFocus={i === 0} onClick={() => setChip({ field, not: false, values: [] })}>
            {label}
          </Button>
        </li>
      ))}
    </ul>
  );
}

interface EditorProps {
  readonly chip: Chip;
  readonly fields: readonly FilterField[];
  readonly onChip: (chip: Chip) => void;
  readonly onDone: () => void;
}

function Editor({ chip, fields, onChip, onDone }: EditorProps) {
  const about = fields.find(({ field }) => field === chip.field);
  const [not, setNot] = useState(chip.not);
  if (about === undefined) return null;
  const choose = (next: boolean) => {
    setNot(next);
    if (chip.values.length > 0) onChip({ ...chip, not: next });
  };
  return (
    <div className="stack tight">
      <strong>{about.label}</strong>
      {about.noNot !== true && <NotChoice not={not} whole={isWhole(about)} onChoose={choose} />}
      {about.choices === undefined ? (
        <TextValue about={about} chip={{ ...chip, not }} onChip={onChip} onDone={onDone} />
      ) : (
        <Values about={about} choices={about.choices} chip={{ ...chip, not }} onChip={onChip} />
      )}
    </div>
  );
}

const isWhole = ({ choices, whole }: FilterField): boolean => choices !== undefined || whole === true;

function NotChoice({ not, whole, onChoose }: { not: boolean; whole: boolean; onChoose: (not: boolean) => void }) {
  const name = useId();
  return (
    <fieldset className="row plain-set">
      <legend className="visually-hidden">Whether it matches</legend>
      {[false, true].map((one) => (
        <label key={String(one)} className="check">
          <input type="radio" name={name} checked={not === one} onChange={() => onChoose(one)} />
          {one ? 'is not' : whole ? 'is' : 'contains'}
        </label>
      ))}
    </fieldset>
  );
}

function Values({
  about,
  choices,
  chip,
  onChip,
}: {
  about: FilterField;
  choices: Readonly<Record<string, string>>;
  chip: Chip;
  onChip: (chip: Chip) => void;
}) {
  const frame = useRef<HTMLFieldSetElement>(null);
  useEffect(() => frame.current?.querySelector('input')?.focus(), []);
  const change = (value: string, wanted: boolean) => {
    const others = chip.values.filter((one) => one !== value);
    const kept = about.single === true ? [] : others;
    onChip({ ...chip, values: wanted ? [...kept, value] : others });
  };
  return (
    <fieldset className="stack tight plain-set" ref={frame}>
      <legend className="visually-hidden">{about.label}</legend>
      {Object.entries(choices).map(([value, words]) => (
        <label key={value} className="check">
          <input
            type="checkbox"
            checked={chip.values.includes(value)}
            onChange={(event) => change(value, event.target.checked)}
          />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

function TextValue({ about, chip, onChip, onDone }: Omit<EditorProps, 'fields'> & { about: FilterField }) {
  const [text, setText] = useState(chip.values[0] ?? '');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChip({ ...chip, values: text.trim() === '' ? [] : [text.trim()] });
    onDone();
  };
  return (
    <form className="stack tight" onSubmit={submit}>
      <Field
        label="Value"
        value={text}
        autoFocus
        maxLength={190}
        placeholder={about.example}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit">Filter</Button>
    </form>
  );
}
