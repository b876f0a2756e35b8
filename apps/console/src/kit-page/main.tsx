import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../kit/kit.css';
import '../shell/shell.css';
import { Toasts } from '../kit/kit.tsx';
import { KitPage } from './kit-page.tsx';
import './kit-page.css';

const root = document.getElementById('root');
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <KitPage />
        <Toasts />
      </QueryClientProvider>
    </StrictMode>,
  );
