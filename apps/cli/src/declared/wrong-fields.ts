import { type Operation, operations, plainError } from '@sallyport/contract';
import type { Request } from './items.ts';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

/** Returns the problems of a request's body under the contract, before anything is sent. */
export function wrongFields({ name, body }: Request): string[] {
  const operation: Operation = operations[name];
  const result = operation.body?.safeParse(body, { error: plainError });
  if (result === undefined || result.success) return [];
  return result.error.issues
    .flatMap((issue) => innermost(issue as Issue))
    .map(({ path, message }) => {
      const where = path.map((step) => (typeof step === 'string' ? (IN_FILES[step] ?? step) : String(step))).join('.');
      return where === '' ? message : `${where} ${message}`;
    });
}

/** Fields that have another name in files. */
const IN_FILES: Readonly<Record<string, string>> = {
  wireguardPort: 'port',
  loadBalancingMode: 'mode',
  networkProtocols: 'ports',
};

/** Returns the first form's problem for a value that fits none of several forms. */
function innermost(issue: Issue): Issue[] {
  const first = issue.errors?.[0];
  if (first === undefined) return [issue];
  return first.flatMap((inner) => innermost({ ...inner, path: [...issue.path, ...inner.path] }));
}
