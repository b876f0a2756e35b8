import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useMemo, useState } from 'react';
import { useRead } from '../data/queries.ts';
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
        label="Name, e-mail address or id"
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
      {found.length === 0 && <p className="muted">Nothing has this name.</p>}
    </search>
  );
}

/** Pages, and of each kind a few objects that fit. */
function useFound(text: string): readonly Found[] {
  const me = useSignedIn();
  const wanted = text.trim().toLowerCase();
  const gateways = useRead<'listGateways'>('gateway', '/tenants/gateways');
  const devices = useRead<'listDevices'>('device', '/tenants/devices?limit=100');
  const resources = useRead<'listResources'>('resource', '/tenants/resources?limit=100');
  const users = useRead<'listUsers'>('user', '/tenants/users?limit=100');
  return useMemo(() => {
    const pages = areas
      .flatMap(({ items }) => items)
      .filter(({ seen }) => seen?.(me) ?? true)
      .map(({ to, text: name }) => ({ to, text: name, kind: 'page', id: '' }));
    const objects = [
      ...(gateways.data ?? []).map(({ id, name }) => ({ to: `/gateways/${id}`, text: name, kind: 'gateway', id })),
      ...(devices.data?.data ?? []).map(({ id, name }) => ({
        to: '/devices',
        search: { id },
        text: name,
        kind: 'device',
        id,
      })),
      ...(resources.data?.data ?? []).map(({ id, name }) => ({
        to: '/resources',
        search: { id },
        text: name,
        kind: 'resource',
        id,
      })),
      ...(users.data?.data ?? []).map(({ id, email }) => ({
        to: '/users',
        search: { id },
        text: email ?? id,
        kind: 'user',
        id,
      })),
    ];
    const fits = ({ text: name, id }: { text: string; id: string }) =>
      name.toLowerCase().includes(wanted) || id === wanted;
    return [...pages, ...(wanted === '' ? [] : objects)].filter(fits).slice(0, 20);
  }, [wanted, me, gateways.data, devices.data, resources.data, users.data]);
}
