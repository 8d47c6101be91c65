/** Small parts that every page uses. They know nothing of traces. */
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Icon, type IconName } from "./Icon.tsx";

/** A service's name beside its colour. `slot` is 0–7, plus 8 for each hatch. */
export function ServiceName({ name, slot, count }: { name: string; slot: number; count?: string }) {
  return (
    <span className="service">
      <span className="swatch" data-slot={slot % 8} data-hatch={slot >= 8 ? "" : undefined} />
      <span className="cut">{name || "(no name)"}</span>
      {count !== undefined && <span className="faint num">{count}</span>}
    </span>
  );
}

/** An error by shape and word, not by colour alone. */
export function ErrorMark({ children }: { children?: ReactNode }) {
  return (
    <span className="mark">
      <Icon name="diamond" small />
      {children ?? <span className="hidden-text">error</span>}
    </span>
  );
}

/** A text of people's own, as a link when it is an address. Such links leave Clew, and tell nobody where from. */
export function Reach({ text, href }: { text: string; href: string | undefined }) {
  if (href === undefined) return <span className="reach">{text}</span>;
  return (
    <a className="link reach" href={href} title={href} {...(href.startsWith("mailto:") ? {} : { target: "_blank", rel: "noopener noreferrer" })}>
      {text}
    </a>
  );
}

/** Copies a text; says so for a moment. */
export function CopyButton({ text, label, children }: { text: string; label: string; children?: ReactNode }) {
  const [done, setDone] = useState<"" | "copied" | "refused">("");
  useEffect(() => {
    if (done === "") return undefined;
    const timer = setTimeout(() => setDone(""), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => {
    void copyText(text).then((ok) => setDone(ok ? "copied" : "refused"));
  };
  return (
    <button type="button" className={children ? "button" : "button quiet square"} title={label} aria-label={label} onClick={copy}>
      <Icon name={done === "copied" ? "check" : "copy"} />
      {children}
      <span className="hidden-text" role="status">
        {done === "copied" ? "Copied" : done === "refused" ? "The browser refused to copy" : ""}
      </span>
    </button>
  );
}

/** Copies a text. The clipboard interface is missing on plain http except on loopback. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** What is shown instead of data: what was asked, what was found, what to try. */
export function State({ icon, title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
  return (
    <section className="state">
      <h2>
        {icon && <Icon name={icon} />}
        {title}
      </h2>
      {children}
    </section>
  );
}

export function Banner({ bad, children }: { bad?: boolean; children: ReactNode }) {
  return (
    <div className={bad ? "banner bad" : "banner"} role="status">
      <Icon name="warning" />
      <span>{children}</span>
    </div>
  );
}

/** True once `active` has lasted 150 ms, and then for at least 300 ms: quick answers show no skeleton, slow ones no flicker. */
export function useLate(active: boolean): boolean {
  const [late, setLate] = useState(false);
  const since = useRef(0);
  useEffect(() => {
    if (active === late) return undefined;
    const wait = active ? 150 : Math.max(0, 300 - (performance.now() - since.current));
    const timer = setTimeout(() => {
      since.current = performance.now();
      setLate(active);
    }, wait);
    return () => clearTimeout(timer);
  }, [active, late]);
  return late;
}

/** Rows of grey bars in the shape of what will come. */
export function Bones({ rows }: { rows: number }) {
  const widths = [62, 48, 71, 39, 55, 66, 44, 58];
  return (
    <div aria-busy="true" aria-label="Loading" role="status" className="bones">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="bone-row">
          <span className="bone bone-a" />
          <span className={`bone bone-w${widths[i % widths.length] % 4}`} />
        </div>
      ))}
    </div>
  );
}

/** The element's size in CSS pixels, kept current. */
export function useSize<T extends HTMLElement>(): [React.RefObject<T | null>, { width: number; height: number }] {
  const ref = useRef<T>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const el = ref.current;
    if (!el) return undefined;
    const observer = new ResizeObserver(() => setSize({ width: el.clientWidth, height: el.clientHeight }));
    observer.observe(el);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}
