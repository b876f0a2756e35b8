import type { ReactNode } from 'react';

const icon = (shape: ReactNode) => (
  <svg
    viewBox="0 0 20 20"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.6"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    {shape}
  </svg>
);

/** Icons of the areas, drawn for 20 px. */
export const icons = {
  overview: icon(<path d="M3 10.5 10 4l7 6.5M5 9.5V16h10V9.5" />),
  gateways: icon(<path d="M5 17V9a5 5 0 0 1 10 0v8M2.5 17h15M9 17v-5a1 1 0 0 1 2 0v5" />),
  devices: icon(<path d="M3 5h14v8H3zM7.5 16h5M10 13v3" />),
  resources: icon(<path d="M3.5 4h13v4.5h-13zM3.5 11.5h13V16h-13zM6.5 6.2h.01M6.5 13.8h.01" />),
  policies: icon(<path d="M10 2.8 16 5v4.6c0 3.7-2.5 6.2-6 7.6-3.5-1.4-6-3.9-6-7.6V5zM7.5 10l1.8 1.8 3.4-3.6" />),
  rules: icon(<path d="M4 4.500h12M4 8.500h7M4 12.500h4M11.500 13.500l2 2 4-4.500" />),
  explain: icon(<path d="M8.8 14.6a5.8 5.8 0 1 0 0-11.6 5.8 5.8 0 0 0 0 11.6zM13 13l4 4" />),
  users: icon(<path d="M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.5c.7-2.7 3-4 6-4s5.300 1.300 6 4" />),
  invitations: icon(<path d="M3 5h14v10H3zM3.500 5.500 10 11l6.500-5.500" />),
  groups: icon(
    <path d="M7.500 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM2.500 15.500c.5-2.300 2.400-3.500 5-3.500s4.500 1.200 5 3.500M13 9.300a2.300 2.300 0 0 0 0-4.600M14.800 12.300c1.500.5 2.400 1.600 2.700 3.200" />,
  ),
  audit: icon(<path d="M5 3h10v14H5zM8 7h4M8 10h4M8 13h2" />),
  settings: icon(
    <path d="M4 6h7M15 6h1M4 14h1M9 14h7M13 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4z" />,
  ),
  my: icon(
    <path d="M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15zM10 10.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM5.300 15.700c1-1.700 2.600-2.500 4.700-2.500s3.700.8 4.700 2.500" />,
  ),
} as const;

/** The mark of Sallyport. */
export const Mark = () => (
  <svg viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="var(--accent)" />
    <path d="M8 25V13a8 8 0 0 1 16 0v12h-5V13a3 3 0 0 0-6 0v12z" fill="var(--on-accent)" />
  </svg>
);
