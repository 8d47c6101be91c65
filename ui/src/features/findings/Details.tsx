/** One finding: what to do as a sentence and as code, when it was seen, and the ways to its spans. */
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Finding } from "../../api/types.ts";
import { CopyButton } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { useZone } from "../../base/zone.ts";
import { instantMs } from "../../model/charter.ts";
import { languagesOf, searchesOf, traceIdOf, type Language } from "../../model/findings.ts";
import { groupDigits } from "../../model/format.ts";
import { clock, DEFAULT_RANGE, formatDate, rangeAround, type Zone } from "../../model/time.ts";

const NAMES: Record<Language, string> = { go: "Go", rust: "Rust" };

export function Details({ finding: f, now }: { finding: Finding; now: number }) {
  const zone = useZone();
  const trace = traceIdOf(f.trace);
  const last = instantMs(f.last) ?? now;
  const range = rangeAround(last, now);
  const linked = range === DEFAULT_RANGE ? { from: "", to: "" } : range;
  return (
    <section className="finding-details" aria-label={`Mend of ${f.subject}`}>
      <p className="finding-message">{f.message}{/[.!?]$/.test(f.message) ? "" : "."}</p>
      <p className="mend"><b>Mend.</b> {f.mend}</p>
      <Code finding={f} />
      <div className="finding-links">
        {trace !== "" && (
          <Link className="button" to="/trace/$traceId" params={{ traceId: trace }} search={{ span: traceIdOf(f.span) }}>
            <Icon name="traces" />Newest example
          </Link>
        )}
        {searchesOf(f).map((s) => (
          <Link key={s.q} className="button" to="/traces" search={{ q: s.q, ...linked }} title={s.q}>
            <Icon name="filter" />{s.label}
          </Link>
        ))}
        {f.name !== "" && <Link className="button" to="/charter/terms" search={{ term: f.name }}><Icon name="charter" />What {f.name} means</Link>}
      </div>
      <dl className="finding-facts">
        <div><dt>First seen</dt><dd className="num">{instant(f.first, zone)}</dd></div>
        <div><dt>Last seen</dt><dd className="num">{instant(f.last, zone)}</dd></div>
        <div><dt>Count</dt><dd className="num">{groupDigits(f.count)}</dd></div>
        {f.detail !== "" && <div><dt>Detail</dt><dd><code>{f.detail}</code></dd></div>}
        {f.team?.escalation && <div><dt>Escalation</dt><dd>{f.team.escalation}</dd></div>}
      </dl>
    </section>
  );
}

function instant(text: string, zone: Zone): string {
  const ms = instantMs(text);
  return ms === undefined ? "–" : `${formatDate(ms, zone)} ${clock(ms, zone)}`;
}

/** The mend in the service's language first; the other one click away. */
function Code({ finding: f }: { finding: Finding }) {
  const languages = languagesOf(f);
  const [wanted, setWanted] = useState<Language>();
  const language = wanted !== undefined && languages.includes(wanted) ? wanted : languages[0];
  if (language === undefined) return null;
  return (
    <div className="code">
      <div className="code-head">
        <div className="segments" role="group" aria-label="Language">
          {languages.map((l) => (
            <button key={l} type="button" aria-pressed={l === language} onClick={() => setWanted(l)}>{NAMES[l]}</button>
          ))}
        </div>
        <span className="grow" />
        <CopyButton text={f[language]} label={`Copy the ${NAMES[language]} code`} />
      </div>
      {/* It may scroll sideways, so the keyboard must reach it. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} aria-label={`Mend in ${NAMES[language]}`}><code>{f[language]}</code></pre>
    </div>
  );
}
