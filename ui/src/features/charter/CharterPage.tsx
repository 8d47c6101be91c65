/** The charter in force: what it promises, who answers for what, which rules watch over it, and what was seen of it. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { charterQuery, findingsQuery } from "../../api/queries.ts";
import { Icon } from "../../base/Icon.tsx";
import { Bones, CopyButton, State, useLate } from "../../base/parts.tsx";
import { useNow } from "../../base/now.ts";
import { useZone } from "../../base/zone.ts";
import { coverageWords, errorLines, instantMs } from "../../model/charter.ts";
import { groupDigits, plural } from "../../model/format.ts";
import { ago, clock, formatDate } from "../../model/time.ts";
import { SECTIONS, sectionOf, type CharterParams } from "./params.ts";
import { Contracts, Detectors, Rules, Services, Teams } from "./Sections.tsx";
import "./charter.css";

const route = getRouteApi("/charter");
const POLL_MS = 15_000;

export function CharterPage() {
  const params = route.useSearch() as CharterParams;
  const navigate = useNavigate();
  const zone = useZone();
  const { data, error, dataUpdatedAt, refetch } = useQuery({ ...charterQuery, refetchInterval: POLL_MS });
  const found = useQuery({ ...findingsQuery, refetchInterval: POLL_MS }).data?.findings ?? [];
  const waiting = useLate(data === undefined && error === null);
  const now = Math.max(useNow(), dataUpdatedAt);
  const section = sectionOf(params);
  const since = instantMs(data?.since ?? "");
  const sizes = data && { contracts: data.contracts.length, services: data.services.length, teams: data.teams.length, rules: data.rules.length, detectors: data.detectors.length };

  return (
    <div className="page charter">
      <header className="charter-head">
        <div className="charter-title">
          <h1>Charter{data?.organisation ? ` of ${data.organisation}` : ""}</h1>
          {data && (
            <span className="mono dim version" title={`Version ${data.version}`}>
              {data.version.slice(0, 12)}
              <CopyButton text={data.version} label="Copy the version" />
            </span>
          )}
          <span className="grow" />
          <Link to="/charter/terms" className="button"><Icon name="search" />Glossary</Link>
          <Link to="/findings" className="button"><Icon name="findings" />Findings{found.length > 0 && <span className="num dim">{groupDigits(found.length)}</span>}</Link>
        </div>
        {data && (
          <dl className="charter-facts">
            <Fact label="In force since">{since === undefined ? "–" : <span title={`${formatDate(since, zone)} ${clock(since, zone)}`}>{ago(since, now)}</span>}</Fact>
            <Fact label="Read from">{data.file === "" ? (isBuiltIn(data) ? "built in" : "not shown to this role") : <code>{data.file}</code>}</Fact>
            <Fact label="Own words"><Link className="link" to="/charter/terms" search={{ source: "own" }}>{groupDigits(data.ownAttributes)}</Link></Fact>
            <Fact label="Words in all"><Link className="link" to="/charter/terms">{groupDigits(data.attributes)}</Link></Fact>
            <Fact label="Contracts">{coverageWords(data.contracts)}</Fact>
            {data.environments.length > 0 && <Fact label="Environments">{data.environments.join(", ")}</Fact>}
          </dl>
        )}
      </header>
      {data && data.error !== "" && <NotInForce error={data.error} />}
      {error && !data ? (
        <State icon="warning" title="The charter did not load">
          <p>{error.message}</p>
          <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
        </State>
      ) : waiting ? (
        <Bones rows={12} />
      ) : data && sizes ? (
        <>
          <nav className="tabs" aria-label="Sections of the charter">
            {SECTIONS.map((s) => (
              <button key={s.id} type="button" aria-current={section === s.id ? "true" : undefined} onClick={() => void navigate({ to: "/charter", search: { ...params, section: s.id === "contracts" ? "" : s.id }, replace: true })}>
                {s.title}<span className="num faint">{groupDigits(sizes[s.id])}</span>
              </button>
            ))}
          </nav>
          <div className="scroll">
            {section === "contracts" ? (
              <Contracts charter={data} now={now} />
            ) : section === "services" ? (
              <Services charter={data} findings={found} />
            ) : section === "teams" ? (
              <Teams charter={data} findings={found} />
            ) : section === "rules" ? (
              <Rules charter={data} findings={found} />
            ) : (
              <Detectors charter={data} findings={found} />
            )}
          </div>
        </>
      ) : null}
    </div>
  );
}

/** A charter that names nothing of its own is the one that Clew brings along. */
function isBuiltIn(c: { organisation: string; ownAttributes: number; services: unknown[] }): boolean {
  return c.organisation === "" && c.ownAttributes === 0 && c.services.length === 0;
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A charter with an error never takes effect: the one before it stays, and every error is said. */
function NotInForce({ error }: { error: string }) {
  const lines = errorLines(error);
  return (
    <section className="not-in-force" role="alert" aria-label="The charter's files have errors">
      <p><Icon name="warning" /><b>The charter as its files stand is not in force.</b> What is shown below stays in force until {lines.length === 1 ? "this is" : `these ${plural(lines.length, "line")} are`} mended.</p>
      {/* It may scroll, so the keyboard must reach it. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} aria-label="Errors"><code>{lines.join("\n")}</code></pre>
    </section>
  );
}
