export { type AccessDifference, type AccessPair, accessDifference, accessPairs } from './access.ts';
export { type ReservedRange, reservedRanges } from './addresses.ts';
export { asksDearly, evaluateAhead } from './ahead.ts';
export { TenantCompiler } from './compile/compiler.ts';
export { smallestMtu } from './compile/device/device-view.ts';
export type { GatewayChange } from './compile/indexes/items.ts';
export { Reach } from './compile/reach.ts';
export { evaluate } from './evaluate.ts';
export { type ExplainedStep, type Explanation, explain, explainSteps, type GatewayChoice } from './explain.ts';
export { gatewaysFor } from './gateways-for.ts';
export { accessMatrix, accessMatrixSteps, type MatrixFilter, type MatrixRow } from './matrix.ts';
export { type OwnAccess, ownAccessSteps } from './own-access.ts';
export { type ReachableAddress, type ReachableResource, reachableSteps } from './reachable.ts';
export {
  checkRule,
  evaluateRule,
  inputsOf,
  type RuleCheck,
  type RuleCondition,
  type RuleInputs,
  type RuleProblem,
  type RuleResult,
  ruleProblem,
} from './rules/index.ts';
export { type Suggestion, suggestSteps } from './suggest.ts';
export * from './types.ts';
export { World } from './world.ts';
