import { Link, useLocation } from "@tanstack/react-router";
import { State } from "../base/parts.tsx";

export function NotFound() {
  const { pathname } = useLocation();
  return (
    <State icon="search" title="There is no such page">
      <p>
        Asked: <code>{pathname}</code>. Nothing is served at this address.
      </p>
      <ul>
        <li><Link to="/traces" className="link">Search for traces</Link></li>
        <li><Link to="/services" className="link">See all services</Link></li>
        <li><span>Paste a trace id into the field above to open it</span></li>
      </ul>
    </State>
  );
}
