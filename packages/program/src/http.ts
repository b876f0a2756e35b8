import type * as NodeHttp from 'node:http';

/**
 * `node:http` of Node.js. Use this instead of an import statement, which reads every name of the module. Two of these
 * names load WebSocket and fetch of Node.js, which take 13 MB of memory and 35 ms at start.
 */
export const http: typeof NodeHttp = process.getBuiltinModule('node:http');
