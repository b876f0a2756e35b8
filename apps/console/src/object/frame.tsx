import { useNavigate, useSearch } from '@tanstack/react-router';
import { type KeyboardEvent, type ReactNode, useId } from 'react';
import { messageOf } from '../data/api.ts';
import { mayAudit } from '../data/queries.ts';
import { Copy, Skeleton } from '../kit/kit.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';
import { Code, type Command } from './code.tsx';
import { History } from './history.tsx';
import './object.css';

/** What is shown of one object, in the panel beside a list and on a page of its own. */
export interface ObjectFrameProps {
  readonly id: string;
  readonly name: string;
  readonly status?: ReactNode;
  readonly actions?: ReactNode;
  readonly commands: readonly Command[];
  /** What `sally export` writes for it. Left out: exports hold no such objects. */
  readonly yaml?: string | undefined;
  /** Path of the page with nothing but this object. Left out on that page. */
  readonly page?: string | undefined;
  /** Tabs between the details and the history. */
  readonly tabs?: readonly Tab[];
  readonly children: ReactNode;
}

/** An object with its name, status, actions and three tabs: details, history, as code. */
export function ObjectFrame(props: ObjectFrameProps) {
  const { id, name, status, actions, commands, yaml, page, tabs: more = [], children } = props;
  const me = useSignedIn();
  const tabs = [
    { key: 'details', text: 'Details', body: children },
    ...more,
    ...(mayAudit(me) ? [{ key: 'history', text: 'History', body: <History id={id} /> }] : []),
    { key: 'code', text: 'As code', body: <Code commands={commands} yaml={yaml} /> },
  ];
  const Heading = page === undefined ? 'h1' : 'h2';
  return (
    <article className="object">
      <header className="head stack tight">
        <Heading title={name}>{name}</Heading>
        <div className="row">
          {status}
          <span className="grow" />
          <Copy text={id} label="Copy id" />
          {page !== undefined && (
            <PageLink className="button plain" to={page}>
              Open page
            </PageLink>
          )}
        </div>
        {actions !== undefined && <div className="row">{actions}</div>}
      </header>
      <Tabs tabs={tabs} />
    </article>
  );
}

/** One of the tabs of an object. */
export interface Tab {
  readonly key: string;
  readonly text: string;
  readonly body: ReactNode;
}

/** Tabs. Which one is shown stands in the address. */
export function Tabs({ tabs }: { tabs: readonly Tab[] }) {
  const id = useId();
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { tab?: string };
  const at = Math.max(
    0,
    tabs.findIndex(({ key }) => key === search.tab),
  );
  const show = (index: number) => {
    const tab = tabs[(index + tabs.length) % tabs.length];
    void navigate({
      search: (now: object) => ({ ...now, tab: tab === tabs[0] ? undefined : tab?.key }),
      replace: true,
    } as never);
    document.getElementById(`${id}-${tab?.key}`)?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    show(at + by);
  };
  const shown = tabs[at];
  return (
    <>
      <div role="tablist" className="tabs" onKeyDown={keys}>
        {tabs.map(({ key, text }, i) => (
          <button
            key={key}
            id={`${id}-${key}`}
            type="button"
            role="tab"
            aria-selected={i === at}
            aria-controls={`${id}-body`}
            onClick={() => show(i)}
          >
            {text}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-body`} aria-labelledby={`${id}-${shown?.key}`} className="stack">
        {shown?.body}
      </div>
    </>
  );
}

/** Waits for an object, or says why it cannot be shown. */
export function Loading({ error }: { error: unknown }) {
  return error === null ? (
    <Skeleton />
  ) : (
    <p className="note bad" role="alert">
      {messageOf(error)}
    </p>
  );
}
