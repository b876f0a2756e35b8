export { type AccessDifference, type AccessPair, accessDifference, accessPairs } from './access.ts';
export { type ReservedRange, reservedRanges } from './addresses.ts';
export { TenantCompiler } from './compile/compiler.ts';
export { Reach } from './compile/reach.ts';
export { evaluate } from './evaluate.ts';
export { gatewaysFor } from './gateways-for.ts';
export * from './types.ts';
export { World } from './world.ts';
