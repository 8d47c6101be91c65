/** The glossary: every word that spans may carry, what it means, and where it is used. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { glossaryQuery } from "../../api/queries.ts";
import type { Term } from "../../api/types.ts";
import { Icon } from "../../base/Icon.tsx";
import { useKeys } from "../../base/keys.ts";
import { Bones, State, useLate } from "../../base/parts.tsx";
import { groupDigits, plural } from "../../model/format.ts";
import type { TermsParams } from "./params.ts";
import { TermPanel } from "./TermPanel.tsx";
import "./charter.css";

const route = getRouteApi("/charter/terms");
/** How many words are asked for, and again on "more". */
const LIMITS = [200, 1000, 5000];
/** How long the server is spared while someone types. */
const TYPING_MS = 150;

export function TermsPage() {
  const params = route.useSearch() as TermsParams;
  const navigate = useNavigate();
  const field = useRef<HTMLInputElement>(null);
  const source = params.source === "own" ? "own" : "";
  const [typed, setTyped] = useState(params.text ?? "");
  const [more, setMore] = useState(0);
  const text = params.text ?? "";
  const go = (change: TermsParams, replace = true) => void navigate({ to: "/charter/terms", search: (old) => ({ ...old, ...change }), replace });
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return undefined;
    const timer = setTimeout(() => go({ text: typed }), TYPING_MS);
    return () => clearTimeout(timer);
    // Only typing sets the clock; the address answers through the effect above.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [typed]);
  const { data, error, isPlaceholderData, refetch } = useQuery(glossaryQuery(text.trim(), source, LIMITS[more]));
  const waiting = useLate(data === undefined && error === null);
  const terms = data?.terms ?? [];
  const term = params.term ?? "";

  const step = (way: number) => {
    const at = terms.findIndex((t) => t.name === term);
    const next = terms[Math.min(terms.length - 1, Math.max(0, at < 0 ? 0 : at + way))];
    if (next) go({ term: next.name });
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Escape: () => go({ term: "" }),
    "/": () => field.current?.focus(),
  });

  return (
    <div className="page">
      <header className="page-head">
        <Link to="/charter" className="button quiet square" aria-label="The charter" title="The charter"><Icon name="left" /></Link>
        <h1>Glossary</h1>
        {data && <span className="dim num">{data.total > terms.length ? `${groupDigits(terms.length)} of ${plural(data.total, "word")}` : plural(data.total, "word")}</span>}
        <span className="grow" />
        <input ref={field} className="input term-search" aria-label="Search the glossary" placeholder="Search names and meanings" spellCheck={false} value={typed} onChange={(e) => setTyped(e.target.value)} onKeyDown={(e) => e.key === "Escape" && e.currentTarget.blur()} />
        <div className="segments" role="group" aria-label="Words">
          <button type="button" aria-pressed={source === ""} onClick={() => go({ source: "" })}>All</button>
          <button type="button" aria-pressed={source === "own"} onClick={() => go({ source: "own" })} title="Words that the charter itself defines">Own</button>
        </div>
      </header>
      <div className="terms-body">
        <div className="scroll" data-stale={isPlaceholderData ? "" : undefined}>
          {error && !data ? (
            <State icon="warning" title="The glossary did not load">
              <p>{error.message}</p>
              <div className="actions"><button type="button" className="button" onClick={() => void refetch()}>Try again</button></div>
            </State>
          ) : waiting ? (
            <Bones rows={16} />
          ) : data && terms.length === 0 ? (
            <NoTerm text={text} own={source === "own"} all={() => go({ source: "" })} clear={() => go({ text: "" })} />
          ) : data ? (
            <>
              <TermTable terms={terms} selected={term} onSelect={(name) => go({ term: name === term ? "" : name })} />
              {data.total > terms.length && (
                <div className="more-terms">
                  {more < LIMITS.length - 1 ? (
                    <button type="button" className="button" onClick={() => setMore(more + 1)}>Show more</button>
                  ) : (
                    <span className="dim">The first {groupDigits(terms.length)} of {groupDigits(data.total)}: search for the others.</span>
                  )}
                </div>
              )}
            </>
          ) : null}
        </div>
        {term !== "" && <TermPanel key={term} name={term} listed={terms.find((t) => t.name === term)} onClose={() => go({ term: "" })} />}
      </div>
    </div>
  );
}

function NoTerm({ text, own, all, clear }: { text: string; own: boolean; all(): void; clear(): void }) {
  return (
    <State icon="search" title={text === "" ? "The charter defines no word of its own" : "No word fits"}>
      <p>Asked: {own ? "the charter's own words" : "all words"}{text !== "" && <> with <code>{text}</code> in the name or the meaning</>}.</p>
      <div className="actions">
        {own && <button type="button" className="button" onClick={all}>Look among all words</button>}
        {text !== "" && <button type="button" className="button" onClick={clear}>Drop the text</button>}
      </div>
    </State>
  );
}

function TermTable({ terms, selected, onSelect }: { terms: Term[]; selected: string; onSelect(name: string): void }) {
  return (
    <table className="data terms">
      <thead>
        <tr>
          <th scope="col" className="t-name">Name</th>
          <th scope="col" className="t-type">Type</th>
          <th scope="col" className="wide-only">Meaning</th>
        </tr>
      </thead>
      <tbody>{terms.map((t) => <TermRow key={t.name} term={t} selected={t.name === selected} onSelect={onSelect} />)}</tbody>
    </table>
  );
}

function TermRow({ term: t, selected, onSelect }: { term: Term; selected: boolean; onSelect(name: string): void }) {
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  return (
    // The name's button does the same by keyboard; the click anywhere on the line is a bigger target.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <tr ref={row} className={selected ? "selected" : undefined} onClick={(e) => !(e.target as HTMLElement).closest("button") && onSelect(t.name)}>
      <td>
        <button type="button" className="term-name" aria-expanded={selected} onClick={() => onSelect(t.name)}>
          <code className={t.deprecated === "" ? "cut" : "cut gone"}>{t.name}</code>
          {t.deprecated !== "" && <span className="tag">deprecated</span>}
          {t.personal !== "" && t.personal !== "false" && <span className="tag personal">{t.personal === "secret" ? "secret" : "personal"}</span>}
        </button>
      </td>
      <td className="dim"><code>{t.type}</code></td>
      <td className="dim wide-only"><span className="cut brief">{t.brief}</span></td>
    </tr>
  );
}
