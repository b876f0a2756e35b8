import { type ReactNode, useEffect, useRef } from 'react';
import { Button } from '../kit/kit.tsx';

/** An object beside its list. The arrow keys go to the next one, Escape closes the panel. */
export function SidePanel({
  label,
  onClose,
  onStep,
  children,
}: {
  label: string;
  onClose: () => void;
  onStep: (by: 1 | -1) => void;
  children: ReactNode;
}) {
  const frame = useRef<HTMLElement>(null);
  useEffect(() => {
    frame.current?.focus();
  }, []);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || isBusyElsewhere(event)) return;
      if (event.key === 'Escape') onClose();
      else if (event.key === 'ArrowDown') onStep(1);
      else if (event.key === 'ArrowUp') onStep(-1);
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  }, [onClose, onStep]);
  return (
    <aside className="side-panel" ref={frame} tabIndex={-1} aria-label={`The open ${label}`}>
      <div className="side-panel-keys row">
        <Button look="plain" aria-label={`Previous ${label}`} title="Arrow up" onClick={() => onStep(-1)}>
          ↑
        </Button>
        <Button look="plain" aria-label={`Next ${label}`} title="Arrow down" onClick={() => onStep(1)}>
          ↓
        </Button>
        <Button look="plain" aria-label="Close the panel" title="Escape" onClick={onClose}>
          ✕
        </Button>
      </div>
      {children}
    </aside>
  );
}

/** Whether a key belongs to a field, a menu or a dialog. */
const isBusyElsewhere = ({ target }: KeyboardEvent): boolean =>
  document.querySelector('dialog[open]') !== null ||
  (target instanceof Element && target.closest('input, select, textarea, [role="tablist"], .menu') !== null);
