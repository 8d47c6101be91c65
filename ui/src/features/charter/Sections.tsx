/** The sections of the charter's page: one table each. */
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { slotOf } from "../../api/colours.ts";
import type { Charter, Finding } from "../../api/types.ts";
import { ErrorMark, Reach, ServiceName, State } from "../../base/parts.tsx";
import { Icon } from "../../base/Icon.tsx";
import { addressOf, byCoverage, contractSearch, instantMs, redactions } from "../../model/charter.ts";
import { ruleWords, tallies, type Field, type Tally } from "../../model/findings.ts";
import { formatCount, groupDigits, plural } from "../../model/format.ts";
import { ago } from "../../model/time.ts";

interface Props {
  charter: Charter;
  findings: Finding[];
}

/** How many findings there are, as a link to them. */
function Findings({ tally, field, value }: { tally: Tally | undefined; field: Field; value: string }) {
  if (!tally) return <span className="faint">none</span>;
  return (
    <Link to="/findings" search={{ [field]: value }} className="link count-link" aria-label={`${plural(tally.findings, "finding")} of ${value}`}>
      {tally.violations > 0 && <ErrorMark>{plural(tally.violations, "violation")}</ErrorMark>}
      <span className="num">{groupDigits(tally.findings)}</span>
    </Link>
  );
}

/** What a section would hold, and how it is written. */
function Empty({ title, text, sample }: { title: string; text: string; sample: string }) {
  return (
    <State icon="charter" title={title}>
      <p>{text}</p>
      <pre><code>{sample}</code></pre>
    </State>
  );
}

function Table({ name, columns, children }: { name: string; columns: [className: string, title: string][]; children: ReactNode }) {
  return (
    <table className={`data charter-table ${name}`}>
      <thead>
        <tr>{columns.map(([className, title]) => <th key={title} scope="col" className={className}>{title}</th>)}</tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

export function Contracts({ charter, now }: { charter: Charter; now: number }) {
  if (charter.contracts.length === 0) {
    return <Empty title="No contract is written" text="A contract says what the spans of an operation carry and which services it may call. Once written, this table tells which of them were seen." sample={"spans:\n  checkout.place:\n    service: checkout\n    kind: server\n    match: { http.route: /checkout }\n    requires: [shop.order.id]\n    may_call: [payment]"} />;
  }
  return (
    <Table name="contracts" columns={[["c-contract", "Contract"], ["c-service", "Service"], ["c-match wide-only", "Told by"], ["c-requires", "Requires"], ["c-calls wide-only", "May call"], ["num c-seen", "Seen"], ["num c-last", "Last seen"], ["c-trace", "Example"]]}>
      {byCoverage(charter.contracts).map((c) => {
        const last = instantMs(c.lastSeen);
        return (
          <tr key={c.id}>
            <td>
              <span className="wrap"><code className="strong">{c.id}</code>{c.kind && <span className="tag">{c.kind}</span>}</span>
              {c.brief && <span className="dim wrap">{c.brief}</span>}
            </td>
            <td><ServiceName name={c.service} slot={slotOf(c.service)} /></td>
            <td className="wide-only"><Link className="link wrap" to="/traces" search={{ q: contractSearch(c) }} aria-label={`Find spans with ${c.match}`} title="Find its spans"><code>{c.match}</code></Link></td>
            <td><Names names={c.requires} /></td>
            <td className="wide-only">{c.mayCall === undefined ? <span className="faint">not said</span> : <span className="wrap">{c.mayCall.join(", ") || "nothing"}</span>}</td>
            <td className="num" title={groupDigits(c.seen)}>{c.seen === 0 ? <span className="never"><Icon name="not" small />never</span> : formatCount(c.seen)}</td>
            <td className="num dim">{last === undefined ? "–" : ago(last, now)}</td>
            <td>{c.trace === "" ? <span className="faint">–</span> : <Link className="link" to="/trace/$traceId" params={{ traceId: c.trace }} aria-label={`Newest trace of ${c.id}`}>Trace</Link>}</td>
          </tr>
        );
      })}
    </Table>
  );
}

/** Words, each a way to its meaning. */
function Names({ names }: { names: string[] }) {
  if (names.length === 0) return <span className="faint">–</span>;
  return <span className="names">{names.map((n) => <Link key={n} className="link" to="/charter/terms" search={{ term: n }}><code>{n}</code></Link>)}</span>;
}

export function Services({ charter, findings }: Props) {
  if (charter.services.length === 0) {
    return <Empty title="No service is named" text="Named services have an owner, a language for the mends of their findings, and a tier. As long as none is named, any service may send." sample={"services:\n  checkout: { team: payments, language: go, tier: critical }\n  payment: { team: payments, language: rust }"} />;
  }
  const counts = tallies(findings, "service");
  const contracts = new Map<string, number>();
  for (const c of charter.contracts) contracts.set(c.service, (contracts.get(c.service) ?? 0) + 1);
  return (
    <Table name="services" columns={[["", "Service"], ["", "Team"], ["c-word", "Tier"], ["c-word", "Language"], ["num c-word wide-only", "Contracts"], ["c-findings", "Findings"]]}>
      {charter.services.map((s) => (
        <tr key={s.name}>
          <td><Link className="plain-link" to="/services/$name" params={{ name: s.name }}><ServiceName name={s.name} slot={slotOf(s.name)} /></Link></td>
          <td>{s.team === "" ? <span className="never"><Icon name="warning" small />nobody</span> : s.team}</td>
          <td>{s.tier || <span className="faint">–</span>}</td>
          <td>{s.language || <span className="faint">–</span>}</td>
          <td className="num wide-only">{contracts.get(s.name) ?? <span className="faint">0</span>}</td>
          <td><Findings tally={counts.get(s.name)} field="service" value={s.name} /></td>
        </tr>
      ))}
    </Table>
  );
}

export function Teams({ charter, findings }: Props) {
  if (charter.teams.length === 0) {
    return <Empty title="No team is named" text="Teams stand beside their services and findings everywhere on this page, with how they are reached." sample={'teams:\n  payments: { contact: "#payments", escalation: pagerduty:PAYMENTS, runbook: https://wiki.example.com/payments }'} />;
  }
  const counts = tallies(findings, "team");
  return (
    <Table name="teams" columns={[["", "Team"], ["", "Contact"], ["", "Escalation"], ["", "Runbook"], ["c-services wide-only", "Services"], ["c-findings", "Findings"]]}>
      {charter.teams.map((t) => (
        <tr key={t.name}>
          <td className="strong">{t.name}</td>
          <td><Text text={t.contact} /></td>
          <td><Text text={t.escalation} /></td>
          <td><Text text={t.runbook} /></td>
          <td className="wide-only"><span className="wrap">{charter.services.filter((s) => s.team === t.name).map((s) => s.name).join(", ") || <span className="faint">–</span>}</span></td>
          <td><Findings tally={counts.get(t.name)} field="team" value={t.name} /></td>
        </tr>
      ))}
    </Table>
  );
}

function Text({ text }: { text: string }) {
  return text === "" ? <span className="faint">–</span> : <span className="wrap"><Reach text={text} href={addressOf(text)} /></span>;
}

const MODES: Record<Charter["rules"][number]["mode"], string> = {
  observe: "What it finds is written down",
  mend: "Written down, and mended where the mend is a name",
  refuse: "The span is refused",
  off: "The rule does not run",
};

export function Rules({ charter, findings }: Props) {
  const counts = tallies(findings, "rule");
  return (
    <Table name="rules" columns={[["c-rule", "Rule"], ["c-word", "Mode"], ["", "What it finds"], ["c-findings", "Findings"]]}>
      {charter.rules.map((r) => (
        <tr key={r.rule} className={r.mode === "off" ? "off" : undefined}>
          <td className="strong">{ruleWords(r.rule)}</td>
          <td><span className={`tag mode-${r.mode}`} title={MODES[r.mode]}>{r.mode}</span></td>
          <td><span className="wrap">{r.brief}</span></td>
          <td><Findings tally={counts.get(r.rule)} field="rule" value={r.rule} /></td>
        </tr>
      ))}
    </Table>
  );
}

export function Detectors({ charter, findings }: Props) {
  if (charter.detectors.length === 0) {
    return <Empty title="No detector runs" text="Detectors look for personal data and secrets in every text before it reaches the disk." sample={"privacy:\n  detectors: [email, iban, payment_card, jwt]"} />;
  }
  const found = redactions(findings);
  return (
    <Table name="detectors" columns={[["c-rule", "Detector"], ["num c-seen", "Values"], ["", "Where it found something"]]}>
      {charter.detectors.map((d) => {
        const here = found.get(d);
        return (
          <tr key={d}>
            <td className="strong">{ruleWords(d)}</td>
            <td className="num">{here ? formatCount(here.count) : <span className="faint">0</span>}</td>
            <td>{here ? <span className="wrap">{here.services.map((s) => <Link key={s} className="link" to="/findings" search={{ rule: "personal_data", service: s }}>{s}</Link>)}</span> : <span className="faint">nowhere</span>}</td>
          </tr>
        );
      })}
    </Table>
  );
}
