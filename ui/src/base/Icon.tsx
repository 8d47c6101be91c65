/** The page's icons: 16 px, one stroke, drawn for it. */
const PATHS = {
  traces: "M2 4h8M5 8h9M3 12h6",
  services: "M3 3h4v4H3zM9 9h4v4H9zM9 3h4v4H9zM3 9h4v4H3z",
  findings: "M4 14V2.5h8.5l-2 3 2 3H4",
  quality: "M3 13a6.5 6.5 0 1 1 10 0M8 10l2.5-4M8 10.1v-.1",
  charter: "M3.5 2h6.5l2.5 2.5V14h-9zM6 7h4M6 10h4",
  search: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM11 11l3.5 3.5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3l2 1.5",
  refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5V5h-2.5",
  live: "M5 3.5v9l7-4.5z",
  pause: "M5 3.5v9M11 3.5v9",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.5 9.5A6 6 0 1 1 6.5 2.5a5 5 0 0 0 7 7z",
  system: "M2 3h12v8H2zM6 14h4M8 11v3",
  help: "M6 6a2 2 0 1 1 2.8 1.8c-.5.3-.8.7-.8 1.4M8 11.8v.1M8 15A7 7 0 1 0 8 1a7 7 0 0 0 0 14z",
  close: "M4 4l8 8M12 4l-8 8",
  right: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  up: "M4 10l4-4 4 4",
  left: "M10 4L6 8l4 4",
  copy: "M6 6h7v7H6zM3 10V3h7",
  check: "M3 8.5l3.5 3.5L13 5",
  download: "M8 2v8M5 7.5L8 10.5l3-3M3 13.5h10",
  filter: "M2 3h12l-4.5 5.5V13l-3-1.5v-3z",
  not: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM3.8 3.8l8.4 8.4",
  link: "M6.5 9.5l3-3M7 5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 9M9 11l-1.5 1.5a2.8 2.8 0 0 1-4-4L5 7",
  info: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM8 7.2v4M8 4.7v.1",
  warning: "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.4v.1",
  diamond: "M8 2l6 6-6 6-6-6z",
  table: "M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10",
  foldAll: "M4 2.5l4 3.5 4-3.5M4 13.5L8 10l4 3.5",
  unfoldAll: "M4 6l4-3.5L12 6M4 10l4 3.5 4-3.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, small }: { name: IconName; small?: boolean }) {
  return (
    <svg className={small ? "icon small" : "icon"} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
