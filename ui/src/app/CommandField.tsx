/** One field that understands what is pasted: a trace id, a traceparent, a link, a query. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Icon } from "../base/Icon.tsx";
import { parseTraceRef } from "../model/traceref.ts";
import { quote } from "../model/query.ts";

export function CommandField() {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const ref = parseTraceRef(text);
  const trimmed = text.trim();

  const run = (value: string) => {
    const found = parseTraceRef(value);
    const words = value.trim();
    if (words === "") return;
    setText("");
    (document.activeElement as HTMLElement | null)?.blur();
    if (found) void navigate({ to: "/trace/$traceId", params: { traceId: found.traceId }, search: { span: found.spanId ?? "" } });
    else void navigate({ to: "/traces", search: { q: words.startsWith("{") ? words : `{ name =~ ${quote(`.*${words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}.*`)} }` } });
  };
  return (
    <form
      className="command"
      role="search"
      aria-label="Open or search"
      onSubmit={(e) => {
        e.preventDefault();
        run(text);
      }}
    >
      <Icon name="search" />
      <input
        id="command"
        aria-label="Paste a trace id, a traceparent or a query, or write part of a span's name"
        placeholder="Trace id, traceparent, query or span name"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(e) => setText(e.target.value)}
        onPaste={(e) => {
          const pasted = e.clipboardData.getData("text");
          if (text !== "" || !parseTraceRef(pasted)) return;
          e.preventDefault();
          run(pasted);
        }}
        onKeyDown={(e) => e.key === "Escape" && e.currentTarget.blur()}
      />
      {trimmed === "" ? <kbd>Ctrl K</kbd> : <span className="faint wide-only">{ref ? "Enter opens the trace" : trimmed.startsWith("{") ? "Enter runs the query" : "Enter finds spans by name"}</span>}
    </form>
  );
}
