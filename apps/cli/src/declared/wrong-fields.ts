import { type Operation, operations, plainError } from '@sallyport/contract';
import type { Request } from './items.ts';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

/** What the contract says against the body of a request, known before anything is sent. */
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

/** Fields that files call otherwise. */
const IN_FILES: Readonly<Record<string, string>> = {
  wireguardPort: 'port',
  loadBalancingMode: 'mode',
  networkProtocols: 'ports',
};

/** Of a value that fits none of several forms, what the first form says. */
function innermost(issue: Issue): Issue[] {
  const first = issue.errors?.[0];
  if (first === undefined) return [issue];
  return first.flatMap((inner) => innermost({ ...inner, path: [...issue.path, ...inner.path] }));
}
