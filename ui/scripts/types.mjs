// Writes src/api/types.ts from the schemas of the server's openapi_schemas.yaml, or with
// --check fails when that file is stale. The usual generator needs the old compiler
// interface of TypeScript 5; the part of JSON Schema that the file uses is small.
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

const source = new URL("../../internal/api/openapi_schemas.yaml", import.meta.url);
const target = new URL("../src/api/types.ts", import.meta.url);
const schemas = parse(readFileSync(source, "utf8")).components.schemas;

const doc = (text, indent) => (text === undefined ? "" : `${indent}/** ${text.trim().replaceAll("\n", " ").replaceAll("*/", "*\\/")} */\n`);

/** The TypeScript type of a schema. Throws on a keyword that it does not know how to say. */
function typeOf(schema, indent) {
  const known = new Set(["$ref", "allOf", "enum", "type", "items", "properties", "required", "additionalProperties", "description", "pattern", "minimum", "maximum", "default", "format"]);
  for (const key of Object.keys(schema)) if (!known.has(key)) throw new Error(`openapi.yaml: the types cannot say "${key}" yet; teach scripts/types.mjs`);
  if (schema.$ref) {
    const name = schema.$ref.replace("#/components/schemas/", "");
    if (!(name in schemas)) throw new Error(`openapi.yaml: ${schema.$ref} names no schema`);
    return name;
  }
  if (schema.allOf) return schema.allOf.map((s) => typeOf(s, indent)).join(" & ");
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(" | ");
  switch (schema.type) {
    case "string": case "boolean": case "null": return schema.type;
    case "number": case "integer": return "number";
    case "array": {
      const item = typeOf(schema.items, indent);
      return /[ |&]/.test(item) && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;
    }
    case "object": {
      if (schema.additionalProperties) return `Record<string, ${typeOf(schema.additionalProperties, indent)}>`;
      const required = new Set(schema.required);
      const inner = `${indent}  `;
      const lines = Object.entries(schema.properties).map(([name, s]) => `${doc(s.description, inner)}${inner}${name}${required.has(name) ? "" : "?"}: ${typeOf(s, inner)};\n`);
      return `{\n${lines.join("")}${indent}}`;
    }
    default: throw new Error(`openapi.yaml: the types cannot say type ${schema.type}`);
  }
}

let text = "// Generated from internal/api/openapi_schemas.yaml by scripts/types.mjs; do not edit.\n// Ids are lower-case hex; instants are Unix nanoseconds as decimal strings; durations are nanoseconds.\n";
for (const [name, schema] of Object.entries(schemas)) {
  text += `\n${doc(schema.description, "")}export type ${name} = ${typeOf(schema, "")};\n`;
}
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("src/api/types.ts is stale: run npm run types");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
