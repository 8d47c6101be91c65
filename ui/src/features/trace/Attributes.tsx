/** A list of attributes: key, value, and what can be done with them. */
import { Link } from "@tanstack/react-router";
import type { Attribute } from "../../api/types.ts";
import { CopyButton } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { fieldOf, literal } from "../../model/query.ts";
import { DEFAULT_RANGE, type RangeText } from "../../model/time.ts";

interface Props {
  attributes: Attribute[];
  /** Scope in queries, such as "span"; without it values cannot be searched for. */
  scope?: "span" | "resource" | "event" | "link" | "instrumentation";
  /** Where traces with the same value are looked for. */
  range: RangeText;
  /** Only lines that contain this, in lower case. */
  filter?: string;
}

/** Types whose values a query can compare. */
const COMPARABLE = new Set(["string", "int", "double", "bool"]);

/** The range as a link carries it: the usual one is left out. */
export function linked(r: RangeText): RangeText {
  return r === DEFAULT_RANGE ? { from: "", to: "" } : r;
}

export function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function Attributes({ attributes, scope, range, filter = "" }: Props) {
  const shown = attributes
    .filter((a) => filter === "" || a.key.toLowerCase().includes(filter) || valueText(a.value).toLowerCase().includes(filter))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  if (shown.length === 0) return <p className="faint none">{attributes.length === 0 ? "None" : "None contains that text"}</p>;
  return (
    <dl className="attributes">
      {shown.map((a) => {
        const text = valueText(a.value);
        const field = scope && fieldOf(scope, a.key);
        return (
          <div key={`${a.key}\u0000${a.type}`} className="attribute">
            <dt className="mono">{a.key}</dt>
            <dd className={`mono v-${a.type}`}>{text === "" ? <span className="faint">(empty)</span> : text}</dd>
            <dd className="attribute-tools">
              <CopyButton text={text} label={`Copy the value of ${a.key}`} />
              {field !== undefined && COMPARABLE.has(a.type) && (
                <Link
                  to="/traces"
                  search={{ q: `{ ${field} = ${literal(field, text, a.type)} }`, ...linked(range) }}
                  className="button quiet square"
                  title={`Find traces with this ${a.key}`}
                  aria-label={`Find traces with this ${a.key}`}
                >
                  <Icon name="filter" />
                </Link>
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
