/** A floating layer under a button, by the browser's own popover: it closes on Esc and outside clicks and gives focus back. */
import { useId, useLayoutEffect, useRef, useState, type ReactNode } from "react";

interface Props {
  /** Content of the button. */
  button: ReactNode;
  label: string;
  className?: string;
  align?: "left" | "right";
  /** Rendered while open. `close` returns focus to the button. */
  children: (close: () => void) => ReactNode;
}

export function Popover({ button, label, className = "button", align = "left", children }: Props) {
  const id = useId();
  const anchor = useRef<HTMLButtonElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  useLayoutEffect(() => {
    const el = layer.current;
    if (!el) return undefined;
    const onToggle = (e: Event) => setOpen((e as ToggleEvent).newState === "open");
    el.addEventListener("toggle", onToggle);
    return () => el.removeEventListener("toggle", onToggle);
  }, []);
  useLayoutEffect(() => {
    const el = layer.current;
    if (!open || !el || !anchor.current) return;
    const box = anchor.current.getBoundingClientRect();
    const width = el.offsetWidth;
    const left = align === "left" ? box.left : box.right - width;
    el.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    el.style.top = `${box.bottom + 4}px`;
    el.querySelector<HTMLElement>("[data-autofocus]")?.focus();
  }, [open, align]);

  return (
    <>
      <button ref={anchor} type="button" className={className} popoverTarget={id} aria-expanded={open} aria-haspopup="dialog" title={label} aria-label={label}>
        {button}
      </button>
      <div ref={layer} id={id} popover="auto" className="popover" role="dialog" aria-label={label}>
        {open &&
          // The refs are read when close is called, not while rendering.
          // oxlint-disable-next-line react/refs
          children(() => {
            layer.current?.hidePopover();
            anchor.current?.focus();
          })}
      </div>
    </>
  );
}
