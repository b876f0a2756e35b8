import type { FastifyInstance, RouteOptions } from 'fastify';

/** Returns the methods that a path takes, as the Allow header lists them; empty for an unknown path. */
export type AllowedMethods = (path: string) => readonly string[];

/**
 * Collects all routes of a server as they are registered. A path without parameters goes before a pattern that it also
 * fits, as in the router.
 */
export function collectRoutes(app: FastifyInstance): AllowedMethods {
  const fixed = new Map<string, Set<string>>();
  const patterns = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method, config }: RouteOptions) => {
    if (config?.refused === true) return;
    const methods = url.includes(':') ? patternOf(patterns, url).methods : fixedOf(fixed, url);
    for (const one of [method].flat()) methods.add(one);
  });
  return (path) => {
    const plain = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    const found = fixed.get(plain);
    const sets = found === undefined ? [...patterns.values()].filter(({ pattern }) => pattern.test(plain)) : [];
    return [...new Set(found ?? sets.flatMap(({ methods }) => [...methods]))].sort();
  };
}

function fixedOf(fixed: Map<string, Set<string>>, url: string): Set<string> {
  const methods = fixed.get(url) ?? new Set();
  fixed.set(url, methods);
  return methods;
}

function patternOf(patterns: Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>, url: string) {
  const entry = patterns.get(url) ?? { pattern: patternText(url), methods: new Set<string>() };
  patterns.set(url, entry);
  return entry;
}

const patternText = (url: string): RegExp => new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`);

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route refuses a method that its path does not take. */
    refused?: true;
  }
}
