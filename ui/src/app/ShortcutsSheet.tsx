/** All keys on one sheet, and the switch that turns single keys off. */
import { useEffect, useRef } from "react";
import { Icon } from "../base/Icon.tsx";
import { setKeysEnabled, useKeysEnabled } from "../base/keys.ts";

const GROUPS: { title: string; keys: [string, string][] }[] = [
  {
    title: "Everywhere",
    keys: [
      ["Ctrl K", "Open a trace id, a traceparent or a query"],
      ["g t", "Traces"],
      ["g s", "Services"],
      ["g f", "Findings"],
      ["g q", "Quality"],
      ["g c", "Charter"],
      ["?", "This sheet"],
    ],
  },
  {
    title: "Search",
    keys: [
      ["/", "Edit the query"],
      ["j k", "Next and previous trace"],
      ["Enter", "Open the selected trace"],
      ["r", "Run again"],
      ["← →", "In the histogram: move; with Shift: select; Enter zooms"],
    ],
  },
  {
    title: "Findings, glossary",
    keys: [
      ["/", "Search the glossary"],
      ["j k", "Next and previous finding or word"],
      ["Enter", "Open the newest trace of the finding"],
      ["Esc", "Close it"],
    ],
  },
  {
    title: "Trace",
    keys: [
      ["j k ↑ ↓", "Next and previous span"],
      ["← →", "Fold or go to the parent, unfold or go to the child"],
      ["Enter  Esc", "Open and close the details"],
      ["w s a d", "Zoom in and out, move left and right"],
      ["f", "Centre the span; again: fill the view with it"],
      ["0", "The whole trace"],
      ["/  Ctrl F", "Find in the trace"],
      ["n N", "Next and previous match"],
      ["e E", "Next and previous error"],
    ],
  },
];

export function ShortcutsSheet({ onClose }: { onClose(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const enabled = useKeysEnabled();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    // A click on the backdrop is a click on the dialog itself; Esc does the same by keyboard.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog ref={dialog} aria-labelledby="sheet-title" onClose={onClose} onClick={(e) => e.target === dialog.current && dialog.current?.close()}>
      <div className="sheet">
        <header>
          <h1 id="sheet-title">Keyboard shortcuts</h1>
          <button type="button" className="button quiet square" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Icon name="close" />
          </button>
        </header>
        <div className="sheet-groups">
          {GROUPS.map((g) => (
            <section key={g.title}>
              <h2>{g.title}</h2>
              <dl>
                {g.keys.map(([keys, does]) => (
                  <div key={keys}>
                    <dt>{keys.split(/\s+(?=\S)/).map((k) => <kbd key={k}>{k}</kbd>)}</dt>
                    <dd>{does}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
        <label className="switch">
          <input type="checkbox" checked={enabled} onChange={(e) => setKeysEnabled(e.target.checked)} />
          Single keys act without Ctrl. Switch this off when a screen reader or speech input needs them.
        </label>
      </div>
    </dialog>
  );
}
