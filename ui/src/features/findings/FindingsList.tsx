/** The findings: one line each, in groups, and below the opened one its mend. */
import { Link } from "@tanstack/react-router";
import { Fragment, useEffect, useRef, type ReactNode } from "react";
import { slotOf } from "../../api/colours.ts";
import type { Finding, Team } from "../../api/types.ts";
import { ErrorMark, Reach, ServiceName } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { addressOf, instantMs } from "../../model/charter.ts";
import { actionWord, idOf, ruleWords, type Field, type Group } from "../../model/findings.ts";
import { formatCount, groupDigits, plural } from "../../model/format.ts";
import { ago } from "../../model/time.ts";
import { Details } from "./Details.tsx";
import { Value } from "./Filters.tsx";
import { SeverityMark } from "./SeverityMark.tsx";

interface Props {
  groups: Group<Finding>[];
  by: Field | "";
  selected: string;
  /** Unix ms of the answer: ages are as of then. */
  now: number;
  onSelect(id: string): void;
}

const COLUMNS = 6;

export function FindingsList({ groups, by, selected, now, onSelect }: Props) {
  return (
    <table className="data findings">
      <thead>
        <tr>
          <th scope="col" className="f-rule">Rule</th>
          <th scope="col" className="f-service">Service and owner</th>
          <th scope="col">What breaks the charter</th>
          <th scope="col" className="f-action">Action</th>
          <th scope="col" className="num f-count">Count</th>
          <th scope="col" className="num f-seen">Last seen</th>
        </tr>
      </thead>
      {groups.map((g) => (
        <tbody key={g.value}>
          {by !== "" && (
            <tr className="group">
              <th scope="rowgroup" colSpan={COLUMNS}>
                <span className="group-line">
                  <Value field={by} value={g.value} />
                  <span className="faint num">{plural(g.findings, "finding")}</span>
                  {g.violations > 0 && <ErrorMark>{plural(g.violations, "violation")}</ErrorMark>}
                  {by !== "rule" && <Owner team={g.rows[0].team} named={by === "service"} />}
                </span>
              </th>
            </tr>
          )}
          {g.rows.map((f) => {
            const id = idOf(f);
            return (
              <Fragment key={id}>
                <Row finding={f} now={now} selected={id === selected} onSelect={() => onSelect(id === selected ? "" : id)} />
                {id === selected && (
                  <tr className="opened">
                    <td colSpan={COLUMNS}><Details finding={f} now={now} /></td>
                  </tr>
                )}
              </Fragment>
            );
          })}
        </tbody>
      ))}
    </table>
  );
}

/** Who answers for it, and how they are reached. */
function Owner({ team, named }: { team: Team | undefined; named: boolean }): ReactNode {
  if (!team) return named ? <span className="owner faint">nobody owns it</span> : null;
  return (
    <span className="owner" title={[team.name, team.contact, team.escalation, team.runbook].filter((t) => t !== "").join("\n")}>
      {named && <Link to="/findings" search={{ team: team.name }} className="owner-team">{team.name}</Link>}
      {team.contact && <Reach text={team.contact} href={addressOf(team.contact)} />}
      {team.runbook && <Reach text={addressOf(team.runbook) ? "runbook" : team.runbook} href={addressOf(team.runbook)} />}
    </span>
  );
}

function Whose({ finding: f }: { finding: Finding }) {
  return (
    <span className="two-lines">
      <Link to="/services/$name" params={{ name: f.service }} className="plain-link"><ServiceName name={f.service} slot={slotOf(f.service)} /></Link>
      <Owner team={f.team} named />
    </span>
  );
}

function What({ finding: f }: { finding: Finding }) {
  return (
    <span className="two-lines">
      <span className="cut"><code className="subject">{f.subject}</code>{f.name !== "" && f.name !== f.subject && <span className="faint"> → <code>{f.name}</code></span>}</span>
      <span className="cut dim" title={f.message}>{f.message}</span>
    </span>
  );
}

function Row({ finding: f, now, selected, onSelect }: { finding: Finding; now: number; selected: boolean; onSelect(): void }) {
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  const last = instantMs(f.last);
  return (
    // The chevron's button does the same by keyboard; the click anywhere on the line is a bigger target.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <tr ref={row} className={selected ? "finding selected" : "finding"} onClick={(e) => !(e.target as HTMLElement).closest("a, button") && onSelect()}>
      <td>
        <span className="finding-rule">
          <button type="button" className="chevron" aria-expanded={selected} aria-label={`${f.severity}, ${ruleWords(f.rule)}: ${f.subject} of ${f.service}`} onClick={onSelect}>
            <Icon name={selected ? "down" : "right"} small />
          </button>
          <SeverityMark severity={f.severity} />
          <span className="cut">{ruleWords(f.rule)}</span>
        </span>
      </td>
      <td><Whose finding={f} /></td>
      <td><What finding={f} /></td>
      <td><span className={`tag action-${f.action}`}>{actionWord(f.action)}</span></td>
      <td className="num" title={groupDigits(f.count)}>{formatCount(f.count)}</td>
      <td className="num dim" title={f.last}>{last === undefined ? "–" : ago(last, now)}</td>
    </tr>
  );
}
