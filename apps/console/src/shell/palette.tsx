import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useEffect, useMemo, useState } from 'react';
import { useListPage } from '../data/use-list.ts';
import { Dialog, Field } from '../kit/kit.tsx';
import { useSignedIn } from './me.ts';
import { PageLink } from './page-link.tsx';
import { areas } from './shell.tsx';

interface Found {
  readonly to: string;
  readonly search?: Record<string, string>;
  readonly text: string;
  readonly kind: string;
}

/** Finds pages and objects by name, e-mail address or id, and goes there. */
export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog title="Search or jump" open={open} onClose={onClose}>
      <Finder onClose={onClose} />
    </Dialog>
  );
}

function Finder({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const found = useFound(text);
  const go = (one: Found | undefined) => {
    if (one === undefined) return;
    onClose();
    void navigate({ to: one.to, search: one.search } as never);
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt(Math.min(found.length - 1, at + 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1));
    else if (event.key === 'Enter') go(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <search className="stack tight" onKeyDown={keys}>
      <Field
        label="Name, e-mail address, IP address or id"
        value={text}
        role="combobox"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={found.length === 0 ? undefined : `found-${at}`}
        autoComplete="off"
        autoFocus
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
      />
      <div className="palette-list" id="found" role="listbox" aria-label="Found">
        {found.map((one, i) => (
          <PageLink
            key={`${one.kind} ${one.to} ${one.text}`}
            to={one.to}
            {...(one.search === undefined ? {} : { search: one.search })}
            id={`found-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            onClick={onClose}
          >
            <span>{one.text}</span>
            <span className="muted small">{one.kind}</span>
          </PageLink>
        ))}
      </div>
      {found.length === 0 && <p className="muted">Nothing shows every one of these words.</p>}
    </search>
  );
}

/** Objects of one kind that a search offers. */
const mostOfKind = 5;
/** The pause after which a text is searched for, milliseconds. */
const typingMs = 150;

/** Pages, and of each kind a few objects that fit. The API searches. */
function useFound(text: string): readonly Found[] {
  const me = useSignedIn();
  const wanted = text.trim().toLowerCase();
  const q = useSettled(text.trim());
  const query = `fields=summary&limit=${mostOfKind}&q=${encodeURIComponent(q)}`;
  const some = q !== '';
  const gateways = useListPage<Named>('gateway', `/tenants/gateways?${query}`, some);
  const devices = useListPage<Named>('device', `/tenants/devices?${query}`, some);
  const resources = useListPage<Named>('resource', `/tenants/resources?${query}`, some);
  const users = useListPage<Named>('user', `/tenants/users?${query}`, some);
  const groups = useListPage<Named>('group', `/tenants/groups?${query}`, some);
  return useMemo(() => {
    const pages = areas
      .flatMap(({ items }) => items)
      .filter(({ seen }) => seen?.(me) ?? true)
      .map(({ to, text: name }) => ({ to, text: name, kind: 'page' }))
      .filter(({ text: name }) => name.toLowerCase().includes(wanted));
    const of = (kind: string, to: string, rows: readonly Named[] = []) =>
      rows.map(({ id, name, email }) => ({ to, search: { id }, text: name ?? email ?? id, kind }));
    if (!some) return pages;
    return [
      ...pages,
      ...(gateways.data?.rows ?? []).map(({ id, name = id }) => ({
        to: `/gateways/${id}`,
        text: name,
        kind: 'gateway',
      })),
      ...of('device', '/devices', devices.data?.rows),
      ...of('resource', '/resources', resources.data?.rows),
      ...of('user', '/users', users.data?.rows),
      ...of('group', '/groups', groups.data?.rows),
    ];
  }, [wanted, some, me, gateways.data, devices.data, resources.data, users.data, groups.data]);
}

interface Named {
  readonly id: string;
  readonly name?: string;
  readonly email?: string;
}

/** Returns a text once it has not changed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), typingMs);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
