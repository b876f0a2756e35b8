import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Button } from '../kit/kit.tsx';

/** A button that opens a small panel below it. Escape, a click elsewhere and leaving it by Tab close it. */
export function Menu({
  label,
  look = '',
  className = '',
  children,
  text,
}: {
  /** What the button says to screen readers, when `text` is not enough. */
  label?: string;
  text: ReactNode;
  look?: string;
  className?: string;
  children: (close: () => void) => ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const elsewhere = (event: Event) => {
      if (event.target instanceof Node && frame.current?.contains(event.target) !== true) setOpen(false);
    };
    addEventListener('pointerdown', elsewhere);
    addEventListener('focusin', elsewhere);
    return () => {
      removeEventListener('pointerdown', elsewhere);
      removeEventListener('focusin', elsewhere);
    };
  }, [open]);
  const close = () => {
    setOpen(false);
    frame.current?.querySelector('button')?.focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the key closes what the button opened
    <div
      className="menu"
      ref={frame}
      onKeyDown={(event) => {
        if (!open || event.key !== 'Escape') return;
        event.stopPropagation();
        close();
      }}
    >
      <Button look={look} className={className} aria-label={label} aria-expanded={open} onClick={() => setOpen(!open)}>
        {text}
      </Button>
      {open && <div className="menu-body">{children(close)}</div>}
    </div>
  );
}
