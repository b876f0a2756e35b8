import { Link } from '@tanstack/react-router';
import type { ComponentProps, ComponentType } from 'react';

type PageLinkProps = Omit<ComponentProps<'a'>, 'href'> & {
  /** Path below `/console`. */
  to: string;
  search?: Record<string, string | undefined>;
};

/** A link to a page of the console. Paths are made at run time, so the router's types cannot follow them. */
export const PageLink = Link as unknown as ComponentType<PageLinkProps>;
