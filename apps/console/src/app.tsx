import { RouterProvider } from '@tanstack/react-router';
import { router } from './router.tsx';

/** All pages for people who are signed in. */
export const App = () => <RouterProvider router={router} />;
