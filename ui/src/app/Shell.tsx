/** The frame of every page: rail, top bar, and the page below. */
import { Link, Outlet, useLocation, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { Icon, type IconName } from "../base/Icon.tsx";
import { useKeys } from "../base/keys.ts";
import { ZoneContext } from "../base/zone.ts";
import { CommandField } from "./CommandField.tsx";
import { ShortcutsSheet } from "./ShortcutsSheet.tsx";
import { StatusChip } from "./StatusChip.tsx";
import { LookMenu } from "./LookMenu.tsx";
import { TimeRange } from "./TimeRange.tsx";
import { TokenBar } from "./TokenBar.tsx";

const PAGES: { to: "/traces" | "/services" | "/findings" | "/quality" | "/charter"; title: string; icon: IconName; keys: string; prefix: string }[] = [
  { to: "/traces", title: "Traces", icon: "traces", keys: "g t", prefix: "/trace" },
  { to: "/services", title: "Services", icon: "services", keys: "g s", prefix: "/services" },
  { to: "/findings", title: "Findings", icon: "findings", keys: "g f", prefix: "/findings" },
  { to: "/quality", title: "Quality", icon: "quality", keys: "g q", prefix: "/quality" },
  { to: "/charter", title: "Charter", icon: "charter", keys: "g c", prefix: "/charter" },
];
/** Pages that show what is now, or one trace: a range says nothing there. */
const WITHOUT_RANGE = /^\/(?:trace\/|findings|quality|charter)/;

export function Shell() {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const zone = search["tz"] === "utc" ? "utc" : "";
  const [sheet, setSheet] = useState(false);
  const page = PAGES.find((p) => pathname.startsWith(p.prefix));
  // A range chosen on one page holds on the next.
  const shared = { from: search["from"] ?? "", to: search["to"] ?? "" };

  useEffect(() => {
    const rest = decodeURIComponent(pathname.split("/")[2] ?? "");
    document.title = [pathname.startsWith("/trace/") ? rest.slice(0, 8) : rest, page?.title ?? "", "Clew"].filter((s) => s !== "").join(" · ");
  }, [pathname, page]);
  useKeys({
    "g t": () => void navigate({ to: "/traces", search: shared }),
    "g s": () => void navigate({ to: "/services", search: shared }),
    "g f": () => void navigate({ to: "/findings", search: shared }),
    "g q": () => void navigate({ to: "/quality", search: shared }),
    "g c": () => void navigate({ to: "/charter", search: shared }),
    "?": () => setSheet(true),
    "Ctrl+k": () => document.getElementById("command")?.focus(),
  });

  return (
    <ZoneContext value={zone}>
      <a className="skip" href="#main">Skip to the page</a>
      <div className="shell">
        <nav className="rail" aria-label="Pages">
          <Link to="/traces" className="logo" aria-label="Clew, start page">
            <svg viewBox="0 0 32 32" aria-hidden="true">
              <path d="M22.5 10.2A9 9 0 1 0 22.5 21.8" />
              <path d="M19 13.2A4.5 4.5 0 1 0 19 18.8L28 25" />
            </svg>
          </Link>
          {PAGES.map((p) => (
            <Link key={p.to} to={p.to} search={shared} className="rail-link" aria-current={page === p ? "page" : undefined} aria-label={p.title} data-label={`${p.title}  ${p.keys}`}>
              <Icon name={p.icon} />
            </Link>
          ))}
          <span className="grow" />
          <button type="button" className="rail-link" aria-label="Keyboard shortcuts" data-label="Shortcuts  ?" onClick={() => setSheet(true)}>
            <Icon name="help" />
          </button>
        </nav>
        <header className="topbar">
          <CommandField />
          <span className="grow" />
          {!WITHOUT_RANGE.test(pathname) && <TimeRange />}
          <StatusChip />
          <LookMenu />
        </header>
        <main id="main" className="main" tabIndex={-1}>
          <TokenBar />
          <Outlet />
        </main>
      </div>
      {sheet && <ShortcutsSheet onClose={() => setSheet(false)} />}
    </ZoneContext>
  );
}
