import type { z } from 'zod';
import { accessOperations } from './operations/access.ts';
import { apiKeyOperations } from './operations/api-keys.ts';
import { batchOperations } from './operations/batch.ts';
import { deviceOperations } from './operations/devices.ts';
import { enrolmentKeyOperations } from './operations/enrolment-keys.ts';
import { gatewayOperations } from './operations/gateways.ts';
import { liveOperations } from './operations/live.ts';
import { myDeviceOperations } from './operations/my-devices.ts';
import { peopleOperations } from './operations/people.ts';
import { policyOperations } from './operations/policies.ts';
import { providerOperations } from './operations/providers.ts';
import { resourceOperations } from './operations/resources.ts';
import { signInOperations } from './operations/sign-in.ts';

export { isBatchable } from './operations/batch.ts';
export {
  dryRunQuery,
  isIdempotent,
  type Operation,
  type Right,
  rightsOfKey,
  rightsOfRole,
} from './operations/define.ts';
export { failuresOf } from './operations/failures.ts';
export { tags } from './operations/tags.ts';

const singleOperations = {
  ...gatewayOperations,
  ...resourceOperations,
  ...deviceOperations,
  ...enrolmentKeyOperations,
  ...policyOperations,
  ...peopleOperations,
  ...accessOperations,
  ...liveOperations,
  ...apiKeyOperations,
  ...signInOperations,
  ...providerOperations,
  ...myDeviceOperations,
};

/** Every operation of the API, by name. */
export const operations = { ...singleOperations, ...batchOperations(singleOperations) };

/** Name of an operation of the HTTP API. */
export type OperationName = keyof typeof operations;
type Of<N extends OperationName> = (typeof operations)[N];
type Parsed<N extends OperationName, K extends string> =
  Of<N> extends Record<K, infer S extends z.ZodType> ? z.output<S> : undefined;

/** Validated input that the handler of an operation receives. */
export interface Input<N extends OperationName> {
  readonly params: Parsed<N, 'params'>;
  readonly query: Parsed<N, 'query'>;
  readonly body: Parsed<N, 'body'>;
}

/** Type that the handler of an operation returns. */
export type Output<N extends OperationName> =
  Of<N> extends { response: infer S extends z.ZodType } ? z.input<S> : undefined;

/** Request body that a client sends to an operation. */
export type RequestBody<N extends OperationName> =
  Of<N> extends { body: infer S extends z.ZodType } ? z.input<S> : undefined;

/** Response body that a client gets from an operation. */
export type ResponseBody<N extends OperationName> =
  Of<N> extends { response: infer S extends z.ZodType } ? z.output<S> : undefined;
