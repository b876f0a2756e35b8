import { QueryClientProvider } from '@tanstack/react-query';
import { type ComponentType, lazy, StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './data/queries.ts';
import './kit/kit.css';
import './shell/shell.css';
import { applyTheme } from './shell/theme.ts';

/** Pages that stand alone, without the router and the frame: people who sign in need not wait for these. */
const alone: Readonly<Record<string, () => Promise<ComponentType>>> = {
  '/console/sign-in': async () => (await import('./pages/sign-in.tsx')).SignInPage,
  '/console/link': async () => (await import('./pages/link.tsx')).LinkPage,
  '/console/cli': async () => (await import('./pages/cli.tsx')).CliPage,
};
/** The last part of the address of this one is the provider. */
const providerReturn = async () => (await import('./pages/provider-return.tsx')).ProviderReturnPage;
const load =
  alone[location.pathname.replace(/\/$/, '')] ??
  (location.pathname.startsWith('/console/return/') ? providerReturn : async () => (await import('./app.tsx')).App);
const Page = lazy(async () => ({ default: await load() }));

applyTheme();
const root = document.getElementById('root');
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <Suspense>
          <Page />
        </Suspense>
      </QueryClientProvider>
    </StrictMode>,
  );
