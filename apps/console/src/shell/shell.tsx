import type { Me } from '@sallyport/contract';
import { Navigate, Outlet, useLocation } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayAudit, mayRead, mayWrite, queryClient, useMe } from '../data/queries.ts';
import { Button, Skeleton } from '../kit/kit.tsx';
import { type Live, useLive } from '../live/live.ts';
import { LiveMark } from '../live/mark.tsx';
import { FreshSignIn } from './fresh-sign-in.tsx';
import { icons, Mark } from './icons.tsx';
import { MeContext } from './me.ts';
import { PageLink } from './page-link.tsx';
import { Palette } from './palette.tsx';
import { signInAddress } from './target.ts';

interface Area {
  readonly to: string;
  readonly text: string;
  readonly icon: keyof typeof icons;
  readonly seen?: (me: Me) => boolean;
}

/** The areas of the console, in groups. `seen`: who gets them. */
export const areas: readonly { readonly title: string; readonly items: readonly Area[] }[] = [
  { title: '', items: [{ to: '/overview', text: 'Overview', icon: 'overview', seen: mayRead }] },
  {
    title: 'Network',
    items: [
      { to: '/gateways', text: 'Gateways', icon: 'gateways', seen: mayRead },
      { to: '/devices', text: 'Devices', icon: 'devices', seen: mayRead },
    ],
  },
  {
    title: 'Access',
    items: [
      { to: '/resources', text: 'Resources', icon: 'resources', seen: mayRead },
      { to: '/policies', text: 'Policies', icon: 'policies', seen: mayRead },
      { to: '/rules', text: 'Rules', icon: 'rules', seen: mayRead },
      { to: '/explain', text: 'Explain', icon: 'explain', seen: mayRead },
    ],
  },
  {
    title: 'People',
    items: [
      { to: '/users', text: 'Users', icon: 'users', seen: mayRead },
      { to: '/invitations', text: 'Invitations', icon: 'invitations', seen: mayRead },
      { to: '/groups', text: 'Groups', icon: 'groups', seen: mayRead },
    ],
  },
  {
    title: 'Tenant',
    items: [
      { to: '/audit', text: 'Audit', icon: 'audit', seen: mayAudit },
      { to: '/settings', text: 'Settings', icon: 'settings', seen: mayWrite },
    ],
  },
  {
    title: 'My',
    items: [
      { to: '/my-devices', text: 'My devices', icon: 'devices' },
      { to: '/my', text: 'My account', icon: 'my' },
    ],
  },
];

/** The frame of every page for somebody who is signed in. */
export function Shell() {
  const { data: me, error, isPending } = useMe();
  const { pathname } = useLocation();
  const live = useLive(me !== null && me !== undefined && mayRead(me));
  if (isPending)
    return (
      <main className="centre">
        <Skeleton />
      </main>
    );
  // A page that is shown already stays when the controller does not answer for a while.
  if (error !== null && me === undefined)
    return (
      <main className="centre">
        <h1>The console cannot start</h1>
        <p>{messageOf(error)}</p>
        <Button onClick={() => queryClient.invalidateQueries()}>Try again</Button>
      </main>
    );
  if (me === null || me === undefined) return <ToSignIn />;
  if (!mayRead(me) && !/\/my(-devices)?$/.test(pathname)) return <Navigate to={'/my-devices' as never} />;
  return (
    <MeContext value={me}>
      <a className="visually-hidden skip" href="#main">
        Skip to the page
      </a>
      <div className="shell">
        <Rail me={me} />
        <div>
          <TopBar me={me} live={live} />
          <main className="page" id="main" tabIndex={-1}>
            <Outlet />
          </main>
        </div>
      </div>
      <FreshSignIn me={me} />
    </MeContext>
  );
}

/** Leads to sign-in, and back here. The browser loads that page, so nothing of the ended session stays in memory. */
function ToSignIn() {
  useEffect(() => {
    const here = location.pathname.slice('/console'.length) + location.search;
    location.replace(signInAddress(here));
  }, []);
  return null;
}

function Rail({ me }: { me: Me }) {
  const { pathname } = useLocation();
  const shown = areas
    .map(({ title, items }) => ({ title, items: items.filter(({ seen }) => seen?.(me) ?? true) }))
    .filter(({ items }) => items.length > 0);
  return (
    <div className="rail">
      <a className="brand" href="/console/">
        <Mark />
        <span>Sallyport</span>
      </a>
      <nav aria-label="Areas" className="stack">
        {shown.map(({ title, items }) => (
          <div key={title || 'top'}>
            {title !== '' && <h2>{title}</h2>}
            <ul>
              {items.map(({ to, text, icon }) => (
                <li key={to}>
                  <NavLink to={to} text={text} current={pathname === to || pathname.startsWith(`${to}/`)}>
                    {icons[icon]}
                    <span>{text}</span>
                  </NavLink>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
    </div>
  );
}

function NavLink({
  to,
  text,
  current,
  children,
}: Pick<Area, 'to' | 'text'> & { current: boolean; children: ReactNode }) {
  return (
    <PageLink to={to} className="item" title={text} aria-current={current ? 'page' : undefined}>
      {children}
    </PageLink>
  );
}

function TopBar({ me, live }: { me: Me; live: Live }) {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setOpen(true);
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  }, []);
  const signOut = async () => {
    await call<'signOut'>('DELETE', '/tenants/me/session').catch(() => undefined);
    queryClient.clear();
    location.assign('/console/sign-in');
  };
  return (
    <header className="topbar">
      <span className="tenant" title={`Tenant ${me.tenant.slug}`}>
        {me.tenant.name}
      </span>
      {mayRead(me) && (
        <Button className="jump" onClick={() => setOpen(true)}>
          <span>
            Search<span className="more"> or jump…</span>
          </span>
          <kbd>Ctrl K</kbd>
        </Button>
      )}
      <span className="grow" />
      {mayRead(me) && <LiveMark live={live} />}
      <Button look="plain" onClick={signOut} title={me.email}>
        Sign out
      </Button>
      {mayRead(me) && <Palette open={open} onClose={() => setOpen(false)} />}
    </header>
  );
}
