/** One word: meaning, type, owner, privacy, other names, and where it is used. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { slotOf } from "../../api/colours.ts";
import { glossaryQuery, tagValuesQuery } from "../../api/queries.ts";
import type { Term } from "../../api/types.ts";
import { Icon } from "../../base/Icon.tsx";
import { CopyButton, ServiceName, State } from "../../base/parts.tsx";
import { onIngestWords, personalWords, termSearch } from "../../model/charter.ts";
import { formatCount, groupDigits } from "../../model/format.ts";
import { fieldOf, literal, quote } from "../../model/query.ts";
import { DEFAULT_RANGE } from "../../model/time.ts";

/** A name's own text finds it, beside others that hold it. */
const EXACT_LIMIT = 1000;
const TOP = 8;

export function TermPanel({ name, listed, onClose }: { name: string; listed: Term | undefined; onClose(): void }) {
  const { data, error } = useQuery({ ...glossaryQuery(name, "", EXACT_LIMIT), enabled: listed === undefined });
  const term = listed ?? data?.terms.find((t) => t.name === name);
  return (
    <aside className="term-panel" aria-label={`The word ${name}`}>
      <header>
        <h2 className="mono">{name}</h2>
        <CopyButton text={name} label="Copy the name" />
        <button type="button" className="button quiet square" aria-label="Close" title="Close (Esc)" onClick={onClose}><Icon name="close" /></button>
      </header>
      {/* It scrolls, so the keyboard must reach it. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="term-body" tabIndex={0} role="region" aria-label="Meaning and use">
        {term ? (
          <Meaning term={term} />
        ) : error ? (
          <State icon="warning" title="The word did not load"><p>{error.message}</p></State>
        ) : data ? (
          <p className="dim">Neither the charter nor an import defines it. It may be a former name; what was sent under it is found all the same.</p>
        ) : null}
        {(term !== undefined || data !== undefined) && <Use name={name} />}
      </div>
    </aside>
  );
}

function Meaning({ term: t }: { term: Term }) {
  return (
    <>
      {t.deprecated !== "" && (
        <p className="deprecated">
          <Icon name="warning" />
          <span>
            Deprecated ({t.deprecated}).
            {t.renamedTo !== "" && <> Write <Link className="link" to="/charter/terms" search={(old) => ({ ...old, term: t.renamedTo })}><code>{t.renamedTo}</code></Link> instead.</>}
          </span>
        </p>
      )}
      <p>{t.brief === "" ? <span className="faint">Nobody has written down what it means.</span> : t.brief}</p>
      {t.note !== "" && <p className="dim term-note">{t.note}</p>}
      <dl>
        <Line label="Type"><code>{t.type}</code></Line>
        {t.stability !== "" && <Line label="Stability">{t.stability}</Line>}
        {t.owner !== "" && <Line label="Owner"><Link className="link" to="/charter" search={{ section: "teams" }}>{t.owner}</Link></Line>}
        {t.personal !== "" && <Line label="Personal">{personalWords(t.personal)}</Line>}
        <Line label="On arrival">{onIngestWords(t.onIngest)}</Line>
        {t.examples.length > 0 && <Line label="Examples"><Words words={t.examples} /></Line>}
        {t.members.length > 0 && <Line label="Values"><Words words={t.members} /></Line>}
        {t.formerly.length > 0 && <Line label="Former names"><Words words={t.formerly} /></Line>}
        <Line label="Defined by">{t.source === "charter" ? "the charter" : t.source}</Line>
      </dl>
    </>
  );
}

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Words({ words }: { words: string[] }) {
  return <span className="names">{words.map((w) => <code key={w}>{w}</code>)}</span>;
}

/** Who sent it in the last hour, and what: each line is a way to the spans. */
function Use({ name }: { name: string }) {
  const q = termSearch(name);
  const field = fieldOf("", name);
  const services = useQuery(tagValuesQuery("resource.service.name", q, DEFAULT_RANGE, TOP));
  const values = useQuery(tagValuesQuery(field, q, DEFAULT_RANGE, TOP));
  const used = services.data?.values ?? [];
  return (
    <section className="term-use" aria-label="Where used">
      <h3>Where used <span className="faint">in the last hour</span></h3>
      {services.error ? (
        <p className="dim">{services.error.message}</p>
      ) : services.data && used.length === 0 ? (
        <p className="dim">No span carried it.</p>
      ) : (
        <ul>
          {used.map((v) => {
            const service = String(v.value);
            return (
              <li key={service}>
                <Link to="/traces" search={{ q: `{ ${fieldOf("resource", "service.name")} = ${quote(service)} && ${field} != nil }` }}>
                  <ServiceName name={service} slot={slotOf(service)} />
                  <span className="num dim" title={`${groupDigits(v.count)} spans`}>{formatCount(v.count)}</span>
                </Link>
              </li>
            );
          })}
        </ul>
      )}
      {values.data && values.data.values.length > 0 && (
        <>
          <h3>Values <span className="faint">most frequent</span></h3>
          <ul>
            {values.data.values.map((v) => {
              const text = String(v.value);
              const shown = <><code className="cut">{text === "" ? "(empty)" : text}</code><span className="num dim">{formatCount(v.count)}</span></>;
              return (
                <li key={`${v.type}\u0000${text}`}>
                  {v.type === "json" || v.type === "nil" || v.type === "bytes" ? <span>{shown}</span> : <Link to="/traces" search={{ q: `{ ${field} = ${literal(field, text, v.type)} }` }}>{shown}</Link>}
                </li>
              );
            })}
          </ul>
        </>
      )}
      <Link className="button" to="/traces" search={{ q }}><Icon name="filter" />All spans with it</Link>
    </section>
  );
}
