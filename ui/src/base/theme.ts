/** Theme and density: preferences of this browser, and the colours that canvas views draw with. */
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
export type Density = "normal" | "compact";

const THEME_KEY = "clew.theme"; // public/theme.js reads the same key before the first paint
const DENSITY_KEY = "clew.density";
const listeners = new Set<() => void>();
const systemDark = matchMedia("(prefers-color-scheme: dark)");
let colours: Colours | undefined;

/** Storage may be denied; a preference then lasts as long as the page. */
export function stored(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
export function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Nothing to do: the choice still holds on this page.
  }
}

let theme: Theme = stored(THEME_KEY) === "light" ? "light" : stored(THEME_KEY) === "dark" ? "dark" : "system";
let density: Density = stored(DENSITY_KEY) === "compact" ? "compact" : "normal";

function apply(): void {
  const root = document.documentElement;
  root.dataset["theme"] = theme === "system" ? (systemDark.matches ? "dark" : "light") : theme;
  root.dataset["density"] = density;
  colours = undefined;
  for (const l of listeners) l();
}

export function startTheme(): void {
  apply();
  systemDark.addEventListener("change", apply);
}
export function setTheme(t: Theme): void {
  theme = t;
  store(THEME_KEY, t);
  apply();
}
export function setDensity(d: Density): void {
  density = d;
  store(DENSITY_KEY, d);
  apply();
}
/** Calls back after the theme or density changed; the returned function stops it. */
export function onLook(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export function useTheme(): Theme {
  return useSyncExternalStore(onLook, () => theme);
}
export function useDensity(): Density {
  return useSyncExternalStore(onLook, () => density);
}

export interface Colours {
  bg: string;
  raised: string;
  text: string;
  text2: string;
  text3: string;
  line: string;
  lineStrong: string;
  accent: string;
  error: string;
  barQuiet: string;
  selected: string;
  service: string[];
  sans: string;
  row: number;
}

/** The tokens as canvas needs them, read once per theme. */
export function canvasColours(): Colours {
  if (colours) return colours;
  const style = getComputedStyle(document.documentElement);
  const v = (name: string) => style.getPropertyValue(name).trim();
  colours = {
    bg: v("--bg"), raised: v("--raised"), text: v("--text"), text2: v("--text-2"), text3: v("--text-3"), line: v("--line"), lineStrong: v("--line-strong"),
    accent: v("--accent"), error: v("--error"), barQuiet: v("--bar-quiet"), selected: v("--selected"),
    service: Array.from({ length: 8 }, (_, i) => v(`--svc-${i}`)),
    sans: v("--sans"),
    row: Number.parseInt(v("--row"), 10),
  };
  return colours;
}
