/** One recycled row of the waterfall: a handful of DOM nodes whose text changes as rows scroll by. */
import { formatDuration, groupDigits } from "../../model/format.ts";
import { hasEvents, isError, parentMissing, type Trace } from "../../model/skeleton.ts";
import { siblingPlace } from "../../model/tree.ts";

/** Deeper rows are not indented further; a number says how deep they are. */
export const MAX_INDENT = 24;
const INDENT_PX = 12;

const SVG = "http://www.w3.org/2000/svg";

export class Row {
  readonly el = document.createElement("div");
  /** Span index shown, −1 when the row is not in use. */
  span = -1;
  private readonly name = part("div", "wf-name");
  private readonly depth = part("span", "wf-depth");
  private readonly fold = part("span", "wf-fold");
  private readonly swatch = part("span", "swatch");
  private readonly service = part("span", "wf-service");
  private readonly title = part("span", "wf-title");
  private readonly note = part("span", "wf-note");
  private readonly mark = diamond();
  private readonly time = part("div", "wf-time num");
  private readonly shown = new Map<string, string>();

  constructor(id: string) {
    this.el.className = "wf-row";
    this.el.id = id;
    this.el.setAttribute("role", "row");
    this.name.setAttribute("role", "gridcell");
    this.time.setAttribute("role", "gridcell");
    this.name.append(this.depth, this.fold, this.swatch, this.mark, this.service, this.title, this.note);
    this.el.append(this.name, this.time);
    this.el.hidden = true;
  }

  hide(): void {
    this.span = -1;
    this.shown.delete("hidden");
    this.el.hidden = true;
  }

  /** Shows span i as row `row` (from 0). Costs nothing when it already does; `force` after a fold or a new theme. */
  show(t: Trace, i: number, row: number, folded: boolean, slot: number, force: boolean): void {
    if (this.span === i && !force) return;
    this.span = i;
    const level = t.depth[i];
    const indent = Math.min(level, MAX_INDENT) * INDENT_PX;
    const children = t.size[i] - 1;
    const fold = children === 0 ? "none" : folded ? "folded" : "open";
    const error = isError(t, i);
    const own = t.parent[i] < 0 || t.service[t.parent[i]] !== t.service[i];
    this.put("hidden", "", () => (this.el.hidden = false));
    this.put("indent", String(indent), () => {
      this.name.style.paddingLeft = `${8 + indent}px`;
      this.name.style.backgroundSize = `${indent}px 100%`;
    });
    this.put("depth", level > MAX_INDENT ? String(level) : "", (v) => (this.depth.textContent = v));
    this.put("fold", fold, (v) => (this.fold.dataset["state"] = v));
    this.put("children", folded && children > 0 ? groupDigits(children) : "", (v) => (this.fold.textContent = v));
    this.put("slot", String(slot), () => {
      this.swatch.dataset["slot"] = String(slot % 8);
      this.swatch.toggleAttribute("data-hatch", slot >= 8);
    });
    this.put("error", String(error), () => {
      this.mark.style.display = error ? "" : "none";
      this.el.classList.toggle("error", error);
    });
    this.put("service", own ? t.services[t.service[i]] : "", (v) => (this.service.textContent = v));
    this.put("title", t.names[t.name[i]] || "(no name)", (v) => {
      this.title.textContent = v;
      this.title.title = v;
    });
    this.put("note", `${parentMissing(t, i) ? "parent missing " : ""}${hasEvents(t, i) ? "•" : ""}`, (v) => (this.note.textContent = v));
    this.put("time", formatDuration(t.duration[i]), (v) => (this.time.textContent = v));
    this.put("level", String(level + 1), (v) => this.el.setAttribute("aria-level", v));
    this.put("row", String(row + 1), (v) => this.el.setAttribute("aria-rowindex", v));
    this.put("expanded", fold, (v) => {
      if (v === "none") this.el.removeAttribute("aria-expanded");
      else this.el.setAttribute("aria-expanded", String(v === "open"));
    });
  }

  /** How a search in the trace shows the row. */
  find(state: "" | "hit" | "quiet"): void {
    this.put("find", state, (v) => {
      if (v === "") delete this.el.dataset["find"];
      else this.el.dataset["find"] = v;
    });
  }

  /** Touches the document only when the value changed: a write costs style and layout, a comparison nothing. */
  private put(key: string, value: string, write: (value: string) => void): void {
    if (this.shown.get(key) === value) return;
    this.shown.set(key, value);
    write(value);
  }

  /** The selected row says in words what the others leave to their cells, and its place among its siblings: finding that walks the parent's children. */
  select(t: Trace, on: boolean): void {
    this.put("selected", String(on), (v) => {
      this.el.setAttribute("aria-selected", v);
      this.el.classList.toggle("selected", on);
    });
    if (!on || this.span < 0) {
      if (this.el.hasAttribute("aria-label")) for (const name of ["aria-label", "aria-posinset", "aria-setsize"]) this.el.removeAttribute(name);
      return;
    }
    const i = this.span;
    const { place, of } = siblingPlace(t, i);
    this.el.setAttribute("aria-posinset", String(place));
    this.el.setAttribute("aria-setsize", String(of));
    this.el.setAttribute("aria-label", `${t.services[t.service[i]]}, ${t.names[t.name[i]]}, ${formatDuration(t.duration[i])}${isError(t, i) ? ", error" : ""}, ${place} of ${of}`);
  }
}

function part(tag: string, className: string): HTMLElement {
  const el = document.createElement(tag);
  el.className = className;
  return el;
}

function diamond(): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("class", "wf-mark");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M6 1l5 5-5 5-5-5z");
  svg.append(path);
  return svg;
}
