import type { Role } from '@sallyport/contract';

interface RoleChecksProps {
  readonly label: string;
  readonly roles: readonly Role[];
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
  readonly error?: string | undefined;
}

/** Any number of roles. The highest of them counts. */
export function RoleChecks({ label, roles, chosen, onChange, error }: RoleChecksProps) {
  const toggle = (id: string) =>
    onChange((chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]).toSorted());
  return (
    <fieldset className="stack tight" aria-invalid={error !== undefined || undefined}>
      <legend className="label">{label}</legend>
      {error !== undefined && <p className="error">{error}</p>}
      {roles.map(({ id, name, description }) => (
        <label key={id} className="check">
          <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} />
          <span>
            {name}
            {description !== undefined && <span className="muted">: {description}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
