import { Copy } from '../kit/kit.tsx';

/** A line of `sally` about an object, and what it does. */
export interface Command {
  readonly about: string;
  readonly line: string;
}

/** An object as lines of `sally`, and as `sally export` writes it. */
export function Code({ commands, yaml }: { commands: readonly Command[]; yaml?: string | undefined }) {
  return (
    <>
      {commands.map(({ about, line }) => (
        <section key={about} className="stack tight">
          <h3>{about}</h3>
          <code className="codeblock">{line}</code>
          <div>
            <Copy text={line} />
          </div>
        </section>
      ))}
      <section className="stack tight">
        <h3>As YAML</h3>
        {yaml === undefined ? (
          <p className="muted">Files of sally export hold no devices: their keys are made where they run.</p>
        ) : (
          <>
            <p className="muted small">As sally export writes it, for sally apply</p>
            <pre className="codeblock">{yaml}</pre>
            <div>
              <Copy text={yaml} />
            </div>
          </>
        )}
      </section>
    </>
  );
}
