import { type ReactNode, type Ref, useId, useLayoutEffect, useRef } from 'react';
import './rules.css';

/** Where a rule is wrong, and what to do. */
export interface RuleFault {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string;
}

interface RuleEditorProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly fault: RuleFault | undefined;
  readonly disabled?: boolean;
  readonly field: Ref<HTMLTextAreaElement>;
}

/** A text field for a rule. Below its text lies the same text with colours, and with a mark where it is wrong. */
export function RuleEditor({ label, value, onChange, fault, disabled = false, field }: RuleEditorProps) {
  const id = useId();
  const below = useRef<HTMLPreElement>(null);
  const rows = Math.max(5, value.split('\n').length + 1);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="rule-editor">
        <pre ref={below} aria-hidden="true">
          {coloured(value, fault)}
          {'\n'}
        </pre>
        <textarea
          ref={field}
          id={id}
          className="input"
          rows={rows}
          spellCheck={false}
          autoCapitalize="none"
          autoComplete="off"
          maxLength={4000}
          aria-invalid={fault !== undefined || undefined}
          aria-describedby={`${id}-fault`}
          disabled={disabled}
          required
          value={value}
          onChange={(event) => onChange(event.target.value)}
          onScroll={({ currentTarget }) => {
            if (below.current !== null) below.current.scrollTop = currentTarget.scrollTop;
          }}
        />
      </div>
      <div id={`${id}-fault`} aria-live="polite">
        {fault !== undefined && (
          <p className="error">
            Line {fault.line}, column {fault.column}: {fault.message}. {fault.hint}
          </p>
        )}
      </div>
    </div>
  );
}

const tokens =
  /('(?:[^'\\\n]|\\.)*'?|"(?:[^"\\\n]|\\.)*"?)|(\b\d+(?:\.\d+)?\b)|(\b(?:true|false|null|in)\b)|([A-Za-z_]\w*(?=\s*\())|([A-Za-z_]\w*)|([&|!=<>?:+*/%-]+)/g;
const classes = ['', 'text', 'number', 'word', 'call', 'name', 'operator'];

/** Splits a rule into coloured parts. The part at the position of the fault is marked. */
export function coloured(rule: string, fault: RuleFault | undefined): ReactNode[] {
  const at = fault === undefined ? -1 : positionOf(rule, fault);
  const parts: ReactNode[] = [];
  const add = (text: string, from: number, kind: string) => {
    if (text === '') return;
    const wrong = at >= from && at < from + text.length;
    parts.push(
      <span key={from} className={[kind, wrong ? 'wrong' : ''].join(' ').trim() || undefined}>
        {text}
      </span>,
    );
  };
  let done = 0;
  for (const match of rule.matchAll(tokens)) {
    add(rule.slice(done, match.index), done, '');
    add(match[0], match.index, classes[match.findIndex((group, i) => i > 0 && group !== undefined)] ?? '');
    done = match.index + match[0].length;
  }
  add(rule.slice(done), done, '');
  if (at >= rule.length)
    parts.push(
      <span key="end" className="wrong">
        {' '}
      </span>,
    );
  return parts;
}

function positionOf(rule: string, { line, column }: RuleFault): number {
  const before = rule.split('\n').slice(0, line - 1);
  return before.reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
}

/** Returns a function that puts a text where the cursor of a field is, and leaves the cursor behind it. */
export function useInsert(value: string, onChange: (value: string) => void) {
  const field = useRef<HTMLTextAreaElement>(null);
  const cursor = useRef<number | null>(null);
  useLayoutEffect(() => {
    if (cursor.current === null) return;
    field.current?.focus();
    field.current?.setSelectionRange(cursor.current, cursor.current);
    cursor.current = null;
  });
  const insert = (text: string) => {
    const { selectionStart = value.length, selectionEnd = value.length } = field.current ?? {};
    const gap = selectionStart > 0 && /[\w')]/.test(value[selectionStart - 1] ?? '') ? ' ' : '';
    onChange(value.slice(0, selectionStart) + gap + text + value.slice(selectionEnd));
    cursor.current = selectionStart + gap.length + text.length;
  };
  return { field, insert };
}
