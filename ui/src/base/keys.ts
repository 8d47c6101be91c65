/** Single-key shortcuts. They can be switched off, and never fire while someone types. */
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";
import { store, stored } from "./theme.ts";

const KEY = "clew.keys";
let enabled = stored(KEY) !== "off";
const listeners = new Set<() => void>();

export function setKeysEnabled(on: boolean): void {
  enabled = on;
  store(KEY, on ? "on" : "off");
  for (const l of listeners) l();
}
export function useKeysEnabled(): boolean {
  return useSyncExternalStore(
    (l) => {
      listeners.add(l);
      return () => listeners.delete(l);
    },
    () => enabled,
  );
}

/** Whether a key press belongs to a field or an open layer. */
export function isTyping(e: KeyboardEvent): boolean {
  const el = e.target as HTMLElement | null;
  return el !== null && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) || el.closest("dialog, [popover]") !== null);
}

/** A name for a key press: "j", "Shift+Z", "Ctrl+f", "g t" for two keys in a row. Ctrl also stands for the Mac's command key. */
export type Bindings = Record<string, (e: KeyboardEvent) => void>;

/** How long the second key of a pair may take. */
const PAIR_MS = 1200;

/** Binds keys on the window while the component lives. A handled press goes no further. */
export function useKeys(bindings: Bindings): void {
  const current = useRef(bindings);
  // With what is drawn, not after it: a key that answers to what is seen must not meet the bindings of before.
  useLayoutEffect(() => {
    current.current = bindings;
  });
  useEffect(() => {
    let first = "";
    let firstAt = 0;
    const onKey = (e: KeyboardEvent) => {
      if (e.defaultPrevented || e.altKey) return;
      const control = e.ctrlKey || e.metaKey;
      if (!control && (!enabled || isTyping(e))) return;
      const name = control ? `Ctrl+${e.key.toLowerCase()}` : e.key;
      const pair = e.timeStamp - firstAt < PAIR_MS ? `${first} ${name}` : "";
      const run = current.current[pair] ?? (pair.startsWith("g ") ? undefined : current.current[name]);
      first = name;
      firstAt = e.timeStamp;
      if (!run) return;
      e.preventDefault();
      run(e);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
