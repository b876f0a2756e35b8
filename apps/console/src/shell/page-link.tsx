import { Link } from '@tanstack/react-router';
import type { ComponentProps } from 'react';

/** A link to a page of the console. Paths are made at run time, so the router's types cannot follow them. */
export function PageLink({
  to,
  search,
  ...rest
}: Omit<ComponentProps<'a'>, 'href'> & { to: string; search?: Record<string, string | undefined> }) {
  const Any = Link as unknown as (props: object) => React.ReactNode;
  return <Any to={to} {...(search === undefined ? {} : { search })} {...rest} />;
}
