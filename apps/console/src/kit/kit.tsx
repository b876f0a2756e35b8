import {
  type ComponentProps,
  createContext,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { ago } from './text.ts';

/** A button. `busy` keeps it in place and refuses clicks. */
export function Button({
  look = '',
  busy = false,
  className = '',
  children,
  onClick,
  type = 'button',
  ...rest
}: ComponentProps<'button'> & { look?: string; busy?: boolean }) {
  return (
    <button
      type={type}
      className={`button ${look} ${className}`}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.(event);
      }}
      {...rest}
    >
      {children}
    </button>
  );
}

/** A labelled text field. The error of the server for this field stands below it. */
export function Field({
  label,
  hint,
  error,
  className = '',
  ...rest
}: ComponentProps<'input'> & { label: string; hint?: ReactNode; error?: string | undefined }) {
  const id = useId();
  const explained = error !== undefined || hint !== undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className={`input ${className}`}
        aria-invalid={error !== undefined || undefined}
        aria-describedby={explained ? `${id}-about` : undefined}
        {...rest}
      />
      {explained && (
        <div id={`${id}-about`}>
          {error !== undefined && <p className="error">{error}</p>}
          {hint !== undefined && <p className="hint">{hint}</p>}
        </div>
      )}
    </div>
  );
}

/** A labelled choice. */
export function Choice({
  label,
  hint,
  error,
  children,
  ...rest
}: ComponentProps<'select'> & { label: string; hint?: ReactNode; error?: string | undefined }) {
  const id = useId();
  const explained = error !== undefined || hint !== undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className="input"
        aria-invalid={error !== undefined || undefined}
        aria-describedby={explained ? `${id}-about` : undefined}
        {...rest}
      >
        {children}
      </select>
      {explained && (
        <div id={`${id}-about`}>
          {error !== undefined && <p className="error">{error}</p>}
          {hint !== undefined && <p className="hint">{hint}</p>}
        </div>
      )}
    </div>
  );
}

/** What a form inside a dialog needs of it. Outside a dialog: null. */
export const DialogContext = createContext<{
  /** Closes the dialog. Asks first while a form in it has changes. */
  readonly close: () => void;
  /** Says whether a form in the dialog has changes that are not saved. */
  readonly hold: (changed: boolean) => void;
} | null>(null);

/**
 * A modal dialog on the browser's own element: focus stays inside, Escape closes it. Changes in a form inside are not
 * discarded without a question.
 */
export function Dialog({ title, open, onClose, wide = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const held = useRef(false);
  const [asking, setAsking] = useState(false);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (dialog === null) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
    if (!open) setAsking(false);
  }, [open]);
  const close = useCallback(() => (held.current ? setAsking(true) : onClose()), [onClose]);
  const context = useMemo(
    () => ({
      close,
      hold: (changed: boolean) => {
        held.current = changed;
      },
    }),
    [close],
  );
  return (
    <dialog
      ref={element}
      className={`dialog ${wide ? 'wide' : ''}`}
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        // A panel around the dialog stays open.
        event.stopPropagation();
        close();
      }}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClose={() => open && onClose()}
    >
      <div className="dialog-body">
        <h2 id={id}>{title}</h2>
        <DialogContext value={context}>{open && children}</DialogContext>
        {asking && <Discard onKeep={() => setAsking(false)} onDiscard={onClose} />}
      </div>
    </dialog>
  );
}

interface DialogProps {
  readonly title: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ReactNode;
}

/** Asks before changes are lost. */
export function Discard({ onKeep, onDiscard }: { onKeep: () => void; onDiscard: () => void }) {
  const keep = useRef<HTMLDivElement>(null);
  useEffect(() => keep.current?.querySelector('button')?.focus(), []);
  return (
    <div ref={keep} className="note warn stack tight" role="alert">
      <p>This form has changes that are not saved.</p>
      <span className="row">
        <Button onClick={onKeep}>Keep editing</Button>
        <Button look="danger" onClick={onDiscard}>
          Discard changes
        </Button>
      </span>
    </div>
  );
}

/** How things stand. Every meaning has a shape of its own, so that colour is never needed to tell them apart. */
export type Meaning = 'good' | 'wait' | 'draining' | 'warn' | 'bad' | 'off';

const shapes: Record<Meaning, ReactNode> = {
  good: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  wait: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.6" strokeDasharray="2 2" />,
  draining: (
    <>
      <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M6 1.5a4.5 4.5 0 0 1 0 9z" fill="currentColor" />
    </>
  ),
  warn: <path d="M6 1 11.5 11h-11z" fill="currentColor" />,
  bad: <path d="M6 .5 11.5 6 6 11.5.5 6z" fill="currentColor" />,
  off: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.4" />,
};

/** A mark and the word for it. */
export function Status({ meaning, children }: { meaning: Meaning; children: ReactNode }) {
  return (
    <span className={`status ${meaning === 'draining' ? 'warn' : meaning}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {shapes[meaning]}
      </svg>
      {children}
    </span>
  );
}

/** Says why there is nothing, and what to do next. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action}
    </div>
  );
}

/** Shown at the first load only; later loads keep what is known on the screen. */
export function Skeleton({ lines = 6 }: { lines?: number }) {
  return (
    <div className="stack" aria-busy="true" role="status">
      <span className="visually-hidden">Loading</span>
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <div key={i} className="skeleton" />
      ))}
    </div>
  );
}

/** Copies a text. Says so for a moment. */
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => {
        setDone(true);
        setTimeout(() => setDone(false), 1500);
      },
      () => toast('The browser did not allow copying. Select the text instead.'),
    );
  };
  return (
    <Button look="plain" onClick={copy}>
      {done ? 'Copied' : label}
    </Button>
  );
}

/** A secret that is shown once. */
export function Secret({ text, about, file }: { text: string; about: string; file?: string }) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([`${text}\n`], { type: 'text/plain' }));
    const link = Object.assign(document.createElement('a'), { href: url, download: file });
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <div className="secret">
      <p>
        <strong>{about}</strong> It is shown only now.
      </p>
      <code className="mono">{text}</code>
      <div className="row">
        <Copy text={text} />
        {file !== undefined && (
          <Button look="plain" onClick={save}>
            Download
          </Button>
        )}
      </div>
    </div>
  );
}

interface Toast {
  readonly id: number;
  readonly text: string;
}
let toasts: readonly Toast[] = [];
let nextToast = 0;
const toastListeners = new Set<() => void>();
const setToasts = (next: readonly Toast[]) => {
  toasts = next;
  for (const listener of toastListeners) listener();
};

/** Shows a short message for a few seconds. */
export function toast(text: string): void {
  const id = nextToast++;
  setToasts([...toasts.slice(-3), { id, text }]);
  setTimeout(() => setToasts(toasts.filter((one) => one.id !== id)), 6000);
}

/** Where toasts appear. Screen readers read them out. */
export function Toasts() {
  const subscribe = useCallback((listener: () => void) => {
    toastListeners.add(listener);
    return () => toastListeners.delete(listener);
  }, []);
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text }) => (
        <div key={id} className="toast">
          {text}
        </div>
      ))}
    </div>
  );
}

/** A column of a table. */
export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => ReactNode;
  readonly end?: boolean;
}

/** A table that says what it holds. */
export function Table<T>({
  caption,
  columns,
  rows,
  keyOf,
  current,
}: {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  current?: string | undefined;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: wide tables scroll, and the keyboard must reach that
    <section className="table-wrap" tabIndex={0} aria-label={caption}>
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, end }) => (
              <th key={head} scope="col" className={end ? 'end' : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} aria-current={current === keyOf(row) || undefined}>
              {columns.map(({ head, cell, end }) => (
                <td key={head} className={end ? 'end num' : undefined} data-head={head}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A moment as a distance from now, with the exact one on hover. */
export function Ago({ at }: { at: string | null | undefined }) {
  if (at === null || at === undefined) return <span className="muted">never</span>;
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {ago(Date.now() - Date.parse(at))}
    </time>
  );
}
