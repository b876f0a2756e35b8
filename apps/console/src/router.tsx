import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { Toasts } from './kit/kit.tsx';
import { Shell } from './shell/shell.tsx';

const root = createRootRoute({
  component: () => (
    <>
      <Outlet />
      <Toasts />
    </>
  ),
  notFoundComponent: () => (
    <main className="centre">
      <h1>There is no such page</h1>
      <a href="/console/">Go to the overview</a>
    </main>
  ),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
});
const at = <P extends string>(path: P, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({
    getParentRoute: () => shell,
    path,
    component: lazyRouteComponent(load as () => Promise<Record<string, () => null>>, name),
    validateSearch: (search: Record<string, unknown>) => search as Record<string, string | undefined>,
  });

const index = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/overview' as never });
  },
});

export const router = createRouter({
  basepath: '/console',
  defaultPreload: 'intent',
  scrollRestoration: true,
  routeTree: root.addChildren([
    index,
    shell.addChildren([
      at('/overview', () => import('./pages/overview.tsx'), 'OverviewPage'),
      at('/gateways', () => import('./pages/gateways.tsx'), 'GatewaysPage'),
      at('/gateways/$id', () => import('./pages/gateway.tsx'), 'GatewayPage'),
      at('/devices', () => import('./pages/devices.tsx'), 'DevicesPage'),
      at('/devices/$id', () => import('./pages/device.tsx'), 'DevicePage'),
      at('/resources', () => import('./pages/resources.tsx'), 'ResourcesPage'),
      at('/resources/$id', () => import('./pages/resource.tsx'), 'ResourcePage'),
      at('/policies', () => import('./pages/policies.tsx'), 'PoliciesPage'),
      at('/policies/$id', () => import('./pages/policy.tsx'), 'PolicyPage'),
      at('/rules', () => import('./pages/rules.tsx'), 'RulesPage'),
      at('/rules/$id', () => import('./pages/rule.tsx'), 'RulePage'),
      at('/explain', () => import('./pages/explain.tsx'), 'ExplainPage'),
      at('/users', () => import('./pages/users.tsx'), 'UsersPage'),
      at('/users/$id', () => import('./pages/user.tsx'), 'UserPage'),
      at('/invitations', () => import('./pages/invitations.tsx'), 'InvitationsPage'),
      at('/groups', () => import('./pages/groups.tsx'), 'GroupsPage'),
      at('/groups/$id', () => import('./pages/group.tsx'), 'GroupPage'),
      at('/audit', () => import('./pages/audit.tsx'), 'AuditPage'),
      at('/settings', () => import('./pages/settings.tsx'), 'SettingsPage'),
      at('/my-devices', () => import('./pages/my-devices.tsx'), 'MyDevicesPage'),
      at('/my', () => import('./pages/my-account.tsx'), 'MyAccountPage'),
    ]),
  ]),
});
