/** The query as one line of text with colours, completion and the server's finger on a mistake. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { tagNamesQuery, tagValuesQuery } from "../../api/queries.ts";
import type { TagNames } from "../../api/types.ts";
import { Icon } from "../../base/Icon.tsx";
import { completionAt, INTRINSICS, rank, type Completion } from "../../model/complete.ts";
import { formatCount } from "../../model/format.ts";
import { fieldOf, literal, tokens } from "../../model/query.ts";
import type { RangeText } from "../../model/time.ts";

interface Offer {
  text: string;
  note: string;
}
interface Props {
  value: string;
  range: RangeText;
  /** Where the server points, from 1, in `value`. */
  errorAt?: number | undefined;
  onRun(query: string): void;
}

const SCOPES = new Set(["span", "resource", "event", "link", "instrumentation"]);
const MAX_OFFERS = 12;

export function QueryField({ value, range, errorAt, onRun }: Props) {
  const [draft, setDraft] = useState(value);
  const [cursor, setCursor] = useState(0);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const paint = useRef<HTMLPreElement>(null);
  const nextCursor = useRef(-1);
  const list = useId();

  useEffect(() => setDraft(value), [value]);
  useLayoutEffect(() => {
    if (nextCursor.current >= 0) {
      input.current?.setSelectionRange(nextCursor.current, nextCursor.current);
      nextCursor.current = -1;
    }
    if (paint.current && input.current) paint.current.scrollLeft = input.current.scrollLeft;
  });

  const at = open ? completionAt(draft, cursor) : undefined;
  const names = useQuery({ ...tagNamesQuery(range), enabled: at?.kind === "field" });
  const field = at?.kind === "value" ? at.field : "";
  const values = useQuery({ ...tagValuesQuery(field, "", range, 200), enabled: field !== "" });
  const offers = at ? offersFor(at, names.data, values.data?.values ?? []) : [];
  const marked = errorAt !== undefined && draft === value ? errorAt : undefined;

  const take = (offer: Offer) => {
    if (!at) return;
    const text = draft.slice(0, at.from) + offer.text + draft.slice(at.to);
    const end = at.from + offer.text.length;
    setDraft(text);
    setCursor(end);
    setActive(-1);
    nextCursor.current = end;
    input.current?.focus();
  };
  const run = () => {
    setOpen(false);
    onRun(draft.trim());
  };
  const onKeyDown = (e: React.KeyboardEvent) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (!open) return setOpen(true);
      const step = e.key === "ArrowDown" ? 1 : -1;
      if (offers.length > 0) setActive(((active < 0 && step < 0 ? 0 : active) + step + offers.length) % offers.length);
    } else if ((e.key === "Enter" || e.key === "Tab") && open && active >= 0 && active < offers.length && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      take(offers[active]);
    } else if (e.key === "Enter") {
      e.preventDefault();
      run();
    } else if (e.key === "Escape") {
      e.preventDefault();
      if (open && offers.length > 0) setOpen(false);
      else input.current?.blur();
    }
    return undefined;
  };
  const follow = (el: HTMLInputElement) => {
    setCursor(el.selectionStart ?? el.value.length);
    setActive(-1);
  };

  return (
    <div className="query">
      <Icon name="search" />
      <div className="query-text">
        <pre ref={paint} className="query-paint" aria-hidden="true">
          <Painted text={draft} errorAt={marked} />
        </pre>
        <input
          ref={input}
          id="query"
          className="query-input"
          role="combobox"
          aria-label="Query"
          aria-expanded={open && offers.length > 0}
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={active >= 0 && active < offers.length ? `${list}-${active}` : undefined}
          aria-invalid={marked !== undefined}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          placeholder="{ resource.service.name = &quot;checkout&quot; &amp;&amp; status = error }"
          value={draft}
          onChange={(e) => {
            setDraft(e.target.value);
            setOpen(true);
            follow(e.target);
          }}
          onKeyDown={onKeyDown}
          onSelect={(e) => setCursor(e.currentTarget.selectionStart ?? 0)}
          onClick={() => setOpen(true)}
          onScroll={(e) => {
            if (paint.current) paint.current.scrollLeft = e.currentTarget.scrollLeft;
          }}
          onBlur={() => setOpen(false)}
        />
        <ul id={list} className="offers" role="listbox" aria-label="Completions" hidden={!open || offers.length === 0}>
          {offers.map((o, i) => (
            // The list never has focus: the field keeps it and names the active line.
            // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
            <li
              key={o.text}
              id={`${list}-${i}`}
              role="option"
              aria-selected={i === active}
              tabIndex={-1}
              onMouseDown={(e) => {
                e.preventDefault();
                take(o);
              }}
            >
              <code className="cut">{o.text.trim()}</code>
              <span className="faint">{o.note}</span>
            </li>
          ))}
        </ul>
      </div>
      {draft !== "" && (
        <button type="button" className="button quiet square" aria-label="Clear the query" title="Clear the query" onClick={() => { setDraft(""); onRun(""); input.current?.focus(); }}>
          <Icon name="close" />
        </button>
      )}
      <button type="button" className="button primary" onClick={run}>
        Search
      </button>
    </div>
  );
}

/** The text in colours, with a wave under the character that the server refused. */
function Painted({ text, errorAt }: { text: string; errorAt: number | undefined }) {
  const last = errorAt === undefined ? -1 : Math.min(errorAt - 1, Math.max(0, text.length - 1));
  return (
    <>
      {tokens(text).map((t) => {
        const wrong = last >= t.at && last < t.at + t.text.length;
        return (
          <span key={t.at} className={`t-${t.type}${wrong ? " t-wrong" : ""}`}>
            {t.text}
          </span>
        );
      })}
    </>
  );
}

function offersFor(at: Completion, names: TagNames | undefined, values: { value: unknown; type: string; count: number }[]): Offer[] {
  if (at.kind === "words") return rank(at.words, at.prefix, MAX_OFFERS).filter((w) => w !== at.prefix).map((text) => ({ text, note: "" }));
  if (at.kind === "value") {
    const p = at.prefix.toLowerCase();
    return values
      .filter((v) => String(v.value).toLowerCase().includes(p))
      .slice(0, MAX_OFFERS)
      .map((v) => ({ text: literal(at.field, String(v.value), v.type), note: formatCount(v.count) }));
  }
  const notes = new Map(INTRINSICS.map((n) => [n, "intrinsic"]));
  for (const scope of names?.scopes ?? []) {
    if (SCOPES.has(scope.scope)) for (const key of scope.names) notes.set(fieldOf(scope.scope, key), scope.scope);
  }
  return rank([...notes.keys()], at.prefix, MAX_OFFERS).filter((w) => w !== at.prefix).map((text) => ({ text, note: notes.get(text) ?? "" }));
}
